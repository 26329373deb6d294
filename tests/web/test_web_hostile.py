"""The hostile set: requests that other sites may make a browser send, and strings that routers may send."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from twisted.internet.threads import deferToThread

import attrs
import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.logbook import LogBook
from kproxy_tw.status import (
    Check,
    EndpointStatus,
    EventStatus,
    ExporterStatus,
    LimitStatus,
    ListenerStatus,
    SettingStatus,
    StreamListenerStatus,
    StreamStatus,
    UnregisteredStatus,
)
from kproxy_tw.testing.rawhttp import exchange, headers, status
from kproxy_tw.testing.status import NOW, FixedStatus, sample_daemon, sample_device, sample_template
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.pages import configuration, device, kproxy, limits, log, tap, upstream
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.service import HealthService, WebConfig
from kproxy_tw.web.snapshot import take
from kproxy_tw.web.tables.choice import Choice, choice_of
from kproxy_tw.web.tables.separated import FORMULA_STARTS, csv_text
from tests.web.hostile import STRINGS

FORM = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 17\r\n"
BODY = "\r\nlevel=off&token=1"

REQUESTS = (
    # DNS rebinding and other hosts
    ("GET / HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n", 421),
    ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
    ("GET /log HTTP/1.1\r\nHost: localhost.evil.example:{port}\r\n\r\n", 421),
    ("GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example:{port}\r\n\r\n", 421),
    ("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 421),
    ("GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", 421),
    ("GET / HTTP/1.1\r\nHost: 192.0.2.1:{port}\r\n\r\n", 421),
    ("GET / HTTP/1.1\r\nHost: 0x7f000001:{port}\r\n\r\n", 421),
    ("GET / HTTP/1.1\r\nHost: user@127.0.0.1:{port}\r\n\r\n", 421),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n", 400),
    ("GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n", 400),
    # requests of other sites
    ("GET /index.json HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n\r\n", 403),
    ("GET /events?page=/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: null\r\n\r\n", 403),
    ("GET /devices.csv HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site\r\n\r\n", 403),
    ("GET /devices/1001/tap.txt HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:1\r\n\r\n", 403),
    ("OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n\r\n", 405),
    # changes
    ("POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n" + FORM + BODY, 405),
    ("PUT /log/level HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n" + FORM + BODY, 405),
    ("DELETE /devices/1001 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n", 405),
    ("GET /log/level?level=off HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n", 404),
    ("POST /log/level HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n" + FORM + BODY, 403),
    ("POST /log/level HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://evil.example\r\n" + FORM + BODY, 403),
    ("POST /log/level HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nSec-Fetch-Site: cross-site\r\n" + FORM + BODY, 403),
    ("POST /log/level HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 4096\r\n\r\n" + "x" * 4096, 413),
    ("GET /log HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 4\r\n\r\nbody", 413),
)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[int, LogBook]]:
    """A running health port, and the book of its log."""
    from twisted.internet import reactor

    book = LogBook("info")
    fixed = FixedStatus(daemon_status=sample_daemon(), device_list=[sample_device()])
    service = HealthService(reactor, WebConfig(port=0), fixed, book=book)
    service.startService()
    yield service.port, book
    service.stopService()


@pytest.mark.parametrize(("text", "code"), REQUESTS)
@ensureDeferred
async def test_requests(served: tuple[int, LogBook], text: str, code: int) -> None:
    """Each is refused, with all security headers and no permission for other sites, and nothing has changed."""
    port, book = served
    answer = await deferToThread(exchange, port, text.format(port=port).encode())
    got = headers(answer)
    assert (status(answer), got["x-content-type-options"], got["cache-control"]) == (code, "nosniff", "no-store")
    assert got["x-frame-options"] == "DENY"
    assert "'unsafe" not in got["content-security-policy"]
    assert not [name for name in got if name.startswith("access-control-")]
    assert book.level == "info"


def test_there_are_enough() -> None:
    """As many as the acceptance asks for, each once."""
    assert len({text for text, _code in REQUESTS}) >= 25
    assert len(set(STRINGS)) == 40


def contents(text: str) -> dict[str, PageContent]:
    """Every page of kproxy where everything that comes from outside says ``text``."""
    table = {"source": text, "version": 10, "domain": 1, "port": 0, "rate": 7.0, "exporter": {text: text}}
    named = {"index": 1, "id": 1, "name": text, "description": text}
    sampler = {"id": 1, "rate": 9.0, "name": text, "algorithm": text, "learned": NOW}
    table |= {"selections": [{"id": 1, "rate": 9.0, "selectors": [1]}]}
    options = {**table, "samplers": [sampler], "interface_rates": [], "interfaces": [named], "applications": [named]}
    unknown = {"source": text, "pen": 9, "id": 7, "length": 4, "count": 2, "example": text}
    event = EventStatus(kind=text, text=text, first=NOW, last=NOW, count=1)
    one = sample_device(
        device_name=text,
        flow_types=(text,),
        sources=(text,),
        channel_highwater={text: 1},
        rate_origin=text,
        templates=(sample_template(text),),
        last_seen=NOW - 900,
        exporters=ExporterStatus(options=({**options, "vrfs": [named]},), unknown=(unknown,), events=(event,)),
    )
    daemon = sample_daemon(
        config={"site": text},
        settings=(SettingStatus(name="site", value=text, origin="flag", default=text, help=text),),
        upstream=(EndpointStatus(url=f"https://{text}", connected=False, last_error=text, retry_in_ms=5),),
        listeners=(ListenerStatus(address=text, receive_buffer=1, kernel_drops=4),),
        streams=StreamListenerStatus(
            addresses=(text,),
            streams=(StreamStatus(address=text, name=text, seconds=1, messages=1, bytes=1, silent_seconds=1),),
        ),
    )
    book = LogBook("info")
    book.add(NOW, "warn", text, text)
    now = take(
        FixedStatus(
            daemon_status=daemon,
            device_list=[one],
            unregistered_list=[
                UnregisteredStatus(source=text, port=1, first_seen=NOW, last_seen=NOW, datagrams=1, flow_type=text)
            ],
            check_list=[Check(name=text, status=text, detail=text)],
            limit_list=[LimitStatus(name=text, current=1, limit=2, hint=text)],
        )
    )
    typed = text.encode("utf-8", "replace").decode()  # an address has no lone surrogates
    asked = choice_of({"q": typed, "state": typed, "sort": typed})
    return {
        "/": kproxy.content(now, Choice()),
        "/?q": kproxy.content(now, asked),
        "/devices/1001": device.content(daemon, one),
        "/devices/1001/tap": tap.content(daemon, one),
        "/upstream": upstream.content(now),
        "/limits": limits.content(now),
        "/config": configuration.content(now),
        "/log": log.content(book, {"level": text}, "token", {"brand": "kproxy", "daemon": daemon}),
    }


class Elements(HTMLParser):
    """Elements of a page, and its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.names.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


RENDERER = Renderer()
HARMLESS = {path: RENDERER.render(one.template, **one.for_template(path)) for path, one in contents("harmless").items()}


@pytest.mark.parametrize("text", STRINGS)
def test_strings_on_pages(text: str) -> None:
    """No string makes an element, an event attribute or a foreign link, or acts on a terminal that shows the source."""
    for path, content in contents(text).items():
        html = RENDERER.render(content.template, **content.for_template(path))
        found = Elements(html)
        assert found.names == Elements(HARMLESS[path]).names or path == "/?q", path
        assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
        links = [value for name, value in found.attributes if name in ("href", "src", "action")]
        assert not [link for link in links if link and (link[0] not in "/#?" or link.startswith("//"))]
        assert not set(html) & set("\x00\x07\x1b\x9b\u202e\u2066\u2028\u2029\ufeff\u200b\r")
        html.encode()


@pytest.mark.parametrize("text", STRINGS)
def test_strings_in_csv(text: str) -> None:
    """A spreadsheet sees no formula; a field stays one field."""
    for path, content in contents(text).items():
        for table in content.tables if content.view is None else (*content.tables, content.view.matching):
            rows = list(csv.reader(io.StringIO(csv_text(attrs.evolve(table)))))
            assert {len(row) for row in rows} == {len(table.columns)}, path
            cells = [cell for row in rows[1:] for cell in row]
            assert not [cell for cell in cells if cell.startswith(FORMULA_STARTS) and not _is_number(cell)]
            assert not set("".join(cells)) & set("\x00\x07\x1b\x9b\u202e\r\n")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@ensureDeferred
async def test_the_form_of_the_level(served: tuple[int, LogBook]) -> None:
    """With the token of the page it works, once for each word that is a level."""
    port, book = served
    page: Any = await deferToThread(exchange, port, f"GET /log HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    assert headers(page)["referrer-policy"] == "same-origin"
    token = page.decode().partition('name="token" value="')[2].partition('"')[0]
    for level, code in (("debug", 303), ("loud", 400), ("info", 303)):
        form = f"level={level}&token={token}"
        raw = f"POST /log/level HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
        raw += f"Content-Length: {len(form)}\r\n\r\n{form}"
        answer = await deferToThread(exchange, port, raw.encode())
        assert status(answer) == code
        assert book.level == (level if code == 303 else "debug")
