"""The whole health port over a real socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThread

import pytest
from pytest_twisted import ensureDeferred

from kproxy_tw.ledger import Ledger
from kproxy_tw.status import Check, EndpointStatus, ListenerStatus, UnregisteredStatus
from kproxy_tw.testing.rawhttp import body, exchange, headers, request, status
from kproxy_tw.testing.status import NOW, FixedStatus, sample_daemon, sample_device, sample_ledger, sample_template
from kproxy_tw.web.service import HealthService, WebConfig

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}",
    "</title><script>",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "\x00\x1b[2J\x9b31m",
    "\u202egnp.exe",
    "a" * 5000,
]


def hostile_status(text: str) -> FixedStatus:
    """Everything that comes from outside says ``text``."""
    return FixedStatus(
        daemon_status=sample_daemon(
            config={"site": text},
            upstream=(EndpointStatus(url=f"https://{text}", connected=False, last_error=text, retry_in_ms=5),),
            listeners=(ListenerStatus(address="192.0.2.1:9995", receive_buffer=1, kernel_drops=4),),
        ),
        device_list=[
            sample_device(
                device_name=text,
                flow_types=(text,),
                sources=(text,),
                channel_highwater={text: 1},
                rate_origin=text,
                templates=(sample_template(text),),
                last_seen=NOW - 900,
            )
        ],
        unregistered_list=[
            UnregisteredStatus(source=text, port=1, first_seen=NOW, last_seen=NOW, datagrams=1, flow_type=text)
        ],
        check_list=[Check(name=text, status=text, detail=text)],
    )


@pytest.fixture
def serve() -> Iterator[Any]:
    """Start the service with a status; gives its port."""
    from twisted.internet import reactor

    services = []

    def start(fixed: FixedStatus) -> int:
        services.append(HealthService(reactor, WebConfig(port=0), fixed))
        services[-1].startService()
        return services[-1].port

    yield start
    for service in services:
        service.stopService()


def plain() -> FixedStatus:
    """One healthy device."""
    return FixedStatus(
        daemon_status=sample_daemon(),
        device_list=[sample_device(templates=(sample_template(),))],
        check_list=[Check(name="listen", status="ok", detail="1 socket")],
    )


async def get(port: int, target: str, method: str = "GET") -> bytes:
    """The raw answer to a request."""
    return await deferToThread(exchange, port, request(target, method=method).format(port=port).encode())


@ensureDeferred
async def test_three_kinds_of_client(serve: Any) -> None:
    """Silence, a command and HTTP on one port."""
    port = serve(plain())
    silent = await deferToThread(exchange, port, b"")
    command = await deferToThread(exchange, port, b"frobnicate\n")
    page = await get(port, "/")
    assert silent.startswith(b"GOOD\n")
    assert b"Connected Devices: 1" in silent
    assert command == b"Unknown command: frobnicate\n"
    assert (status(page), headers(page)["content-type"]) == (200, "text/html; charset=utf-8")


@ensureDeferred
async def test_http_byte_by_byte(serve: Any) -> None:
    """A slow client is recognized as HTTP, too."""
    port = serve(plain())
    pieces = [bytes([byte]) for byte in request("/healthz").format(port=port).encode()]
    answer = await deferToThread(exchange, port, pieces, pause=0.01)
    assert (status(answer), body(answer)) == (200, b"ok\n")


@pytest.mark.parametrize(
    ("target", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/devices/1001", "text/html; charset=utf-8"),
        ("/hc", "application/json"),
        ("/healthz", "text/plain; charset=utf-8"),
        ("/readyz", "text/plain; charset=utf-8"),
        ("/admin/status", "application/json"),
        ("/admin/devices", "application/json"),
        ("/admin/devices/1001", "application/json"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/static/site.css", "text/css; charset=utf-8"),
        ("/static/icon.svg", "image/svg+xml"),
        ("/upstream", "text/html; charset=utf-8"),
        ("/limits", "text/html; charset=utf-8"),
        ("/config", "text/html; charset=utf-8"),
        ("/devices/1001/tap", "text/html; charset=utf-8"),
        ("/index.json", "application/json"),
        ("/devices/1001.json", "application/json"),
        ("/devices.csv", "text/csv; charset=utf-8"),
        ("/devices/1001/templates.csv", "text/csv; charset=utf-8"),
    ],
)
@ensureDeferred
async def test_addresses(serve: Any, target: str, content_type: str) -> None:
    """Every address answers with its type, its length and the security headers; HEAD without a body."""
    port = serve(plain())
    answer, head = await get(port, target), await get(port, target, "HEAD")
    got = headers(answer)
    assert (status(answer), got["content-type"]) == (200, content_type)
    assert int(got["content-length"]) == len(body(answer)) > 0
    assert (got["x-content-type-options"], got["cache-control"]) == ("nosniff", "no-store")
    assert (status(head), body(head)) == (200, b"")


@ensureDeferred
async def test_pretty(serve: Any) -> None:
    """``?pretty`` indents, with or without a value; the content is the same."""
    port = serve(plain())
    compact = body(await get(port, "/admin/devices"))
    for query in ("?pretty", "?pretty=1", "?x=1&pretty"):
        pretty = body(await get(port, "/admin/devices" + query))
        assert pretty.count(b"\n") > compact.count(b"\n") == 1
        assert json.loads(pretty) == json.loads(compact)


@pytest.mark.parametrize(
    ("target", "key"),
    [("/admin/devices/7", "error"), ("/admin/devices/x%0ay", "error"), ("/admin/nothing", "error")],
)
@ensureDeferred
async def test_missing_json(serve: Any, target: str, key: str) -> None:
    """What is not there is a 404 with a JSON error under /admin."""
    answer = await get(serve(plain()), target)
    assert status(answer) == 404
    assert key in json.loads(body(answer))


@pytest.mark.parametrize("target", ["/devices/7", "/no", "/static/", "/static/../setup.py", "/static/no"])
@ensureDeferred
async def test_missing_pages(serve: Any, target: str) -> None:
    """What is not there is a 404, folders are not listed, and nothing outside the folder is served."""
    assert status(await get(serve(plain()), target)) == 404


@pytest.mark.parametrize(
    ("state", "hc", "healthz", "readyz"),
    [("ok", 200, 200, 200), ("initializing", 200, 200, 503), ("failing", 503, 503, 503), ("timeout", 503, 503, 503)],
)
@ensureDeferred
async def test_probes(serve: Any, state: str, hc: int, healthz: int, readyz: int) -> None:
    """The status codes that load balancers go by, with the reason in words."""
    fixed = plain()
    fixed.check_list = [Check(name="devices", status=state, detail="because")]
    port = serve(fixed)
    answers = [await get(port, target) for target in ("/hc", "/healthz", "/readyz")]
    assert [status(answer) for answer in answers] == [hc, healthz, readyz]
    assert json.loads(body(answers[0]))["status"] == state
    for answer in answers[1:]:
        assert body(answer) == (b"ok\n" if status(answer) == 200 else b"devices: because\n")


class Tags(HTMLParser):
    """Collects elements and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.words += " " + data


def parsed(html: bytes) -> Tags:
    """The elements of a page."""
    tags = Tags()
    tags.feed(html.decode())
    return tags


@pytest.mark.parametrize("text", HOSTILE)
@ensureDeferred
async def test_hostile_strings(serve: Any, text: str) -> None:
    """Strings from devices change no element of the page, start no script and act on no terminal."""
    harmless, hostile = serve(hostile_status("harmless")), serve(hostile_status(text))
    for target in ("/", "/devices/1001"):
        page = body(await get(hostile, target))
        tags = parsed(page)
        assert tags.elements == parsed(body(await get(harmless, target))).elements
        assert not [name for name, _ in tags.attributes if name.startswith("on")]
        assert not [value for name, value in tags.attributes if name == "href" and value and value[0] not in "/#?"]
        assert not set(page.decode()) & set("\x00\x1b\x9b\u202e")
    report = await deferToThread(exchange, hostile, b"status\n")
    assert not set(report.decode()) & set("\x00\x1b\x9b\u202e<") - set(text.replace("\x1b", ""))
    assert len(report.split(b"\n")) == 8


@ensureDeferred
async def test_json_keeps_the_string(serve: Any) -> None:
    """JSON carries what the device said, exactly, in ASCII and without ``<``."""
    text = "<script>\u202e\x1b"
    raw = body(await get(serve(hostile_status(text)), "/admin/devices"))
    assert json.loads(raw)["Devices"][0]["DeviceName"] == text
    assert raw.isascii()
    assert b"<" not in raw


@ensureDeferred
async def test_page_says_what_json_says(serve: Any) -> None:
    """The page shows the ledger's figures, the device with its rate and cap, and reasons for losses."""
    ledger = sample_ledger(received=8000, sampled_out=1000, dropped=400)
    fixed = FixedStatus(
        daemon_status=sample_daemon(totals=Ledger.total([ledger])), device_list=[sample_device(ledger=ledger)]
    )
    words = " ".join(parsed(body(await get(serve(fixed), "/"))).words.split())
    for expected in (
        "Records received 8000",
        "Forwarded 6600 82.5 %",
        "Sampled out 1000 12.5 %",
        "Dropped 400 5 % no_template 400",
        "1:1000 from sampler",
        "4000/s",
        "edge_fra1_r1 lost 5 % of its records, most of them for no_template",
        "Channel highwater",
    ):
        assert expected in words


@ensureDeferred
async def test_empty_page(serve: Any) -> None:
    """Before the first datagram the page says what is awaited."""
    fixed = FixedStatus(
        daemon_status=sample_daemon(totals=Ledger(), upstream=(), listeners=(), config={}, spool={}),
        check_list=[Check(name="devices", status="initializing", detail="asking the API")],
    )
    words = parsed(body(await get(serve(fixed), "/"))).words
    assert "Starting: devices: asking the API." in words
    assert "No registered device has sent flow" in words


@ensureDeferred
async def test_page_is_bounded(serve: Any) -> None:
    """A page shows at most 100 devices, says so, and leads to the next; CSV and JSON have them all."""
    devices = [sample_device(device_id=number, device_name=f"r{number}") for number in range(203)]
    port = serve(FixedStatus(daemon_status=sample_daemon(), device_list=devices))
    pages = [body(await get(port, f"/?page={number}")) for number in (1, 2, 3)]
    assert [page.count(b'<a href="/devices/') for page in pages] == [100, 100, 3]
    assert b"page 1 of 3" in pages[0]
    assert b'<a rel="next" href="?page=2#devices">' in pages[0]
    assert len(json.loads(body(await get(port, "/index.json")))["Devices"]) == 203
    assert body(await get(port, "/devices.csv")).count(b"\r\n") == 204


@ensureDeferred
async def test_stop_and_start_again() -> None:
    """Stopping cuts connections and frees the port; a port in use is an error at once."""
    from twisted.internet import reactor

    service = HealthService(reactor, WebConfig(port=0), plain())
    service.startService()
    port = service.port
    second = HealthService(reactor, WebConfig(port=port), plain())
    with pytest.raises(CannotListenError):
        second.startService()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        await deferToThread(exchange, port, b"status\n")
        await service.stopService()
        assert (await deferToThread(client.recv, 1) if not _reset(client) else b"") == b""
    second.startService()
    assert second.port == port
    await second.stopService()
    assert second.port == 0


def _reset(client: socket.socket) -> bool:
    """Whether the connection was cut."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
