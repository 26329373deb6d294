"""Every page of the running daemons says in HTML, in JSON and in CSV the same; traffic has stopped meanwhile."""

from __future__ import annotations

import csv
import http.client
import io
import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from kproxy_tw.commands.tools.client import StatusPort
from kproxy_tw.web.page import twin_path
from tests.browser.site import POLLED, ROUTER, STRANGER_ROUTER, Site
from tests.web.shown import agrees_between, compared

PAGES = [
    *(
        ("kproxy", path)
        for path in ("/", "/?sort=In1&order=desc", "/?q=sflow", "/upstream", "/limits", "/config", "/log")
    ),
    *(("kproxy", f"/devices/{number}") for number in (101, 102, 103, 104)),
    *(("kbgp", path) for path in ("/", "/config", "/log")),
    *(("kcollect", path) for path in ("/", "/devices/101", "/talkers", "/snmp", f"/snmp/{POLLED}")),
    *(("kcollect", f"/traffic?by={by}&range=15m") for by in ("device", "protocol", "port", "src_as", "input")),
]
MOVING = 0.2
"""Of a page's figures, the part that may move while nothing is sent: times gone by, rates of the last minute."""

PATIENCE_SECONDS = 90.0


@pytest.fixture(scope="module")
def quiet(site: Site) -> Iterator[Site]:
    """The site, once everything has been shown and nothing is sent any more."""
    router = site.routers.connect(ROUTER)
    site.routers.connect(STRANGER_ROUTER)
    _wait(lambda: site.kproxy.document("/index.json")["NumConnected"] == 4)
    _wait(lambda: _stored(site) > 0 and len(site.kbgp.document("/index.json")["Sessions"]) == 1)
    if site.polled:
        _wait(lambda: site.kcollect.document(f"/snmp/{POLLED}.json")["Interfaces"])
    with site.traffic.paused():
        _wait(lambda: site.kproxy.document("/index.json")["Totals"]["RecordsInFlight"] == 0)
        _wait(lambda: site.kcollect.document("/traffic.json?range=15m")["Whole"]["Flows"] == _stored(site))
        yield site
    router.close()


def _stored(site: Site) -> int:
    return int(site.kcollect.document("/index.json")["Stored"]["Flows"])


def _wait(condition: Any) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.3)


def page(port: StatusPort, path: str) -> str:
    """The HTML."""
    status, body = port.get(path)
    assert status == http.client.OK
    return body.decode()


def twin(port: StatusPort, path: str) -> Any:
    """The JSON of the same page."""
    plain, mark, query = path.partition("?")
    return port.document(twin_path(plain) + mark + query)


@pytest.mark.parametrize(("daemon", "path"), PAGES)
def test_html_and_json_agree(quiet: Site, daemon: str, path: str) -> None:
    """Each cell says what JSON says just before and just after; what moved meanwhile lies in between."""
    port: StatusPort = getattr(quiet, daemon)
    before, html, after = twin(port, path), page(port, path), twin(port, path)
    cells = list(compared(html, before, after))
    assert [cell for cell in cells if not agrees_between(*cell[1:])] == []
    moved = sum(old != new for _where, old, new, _text in cells)
    assert moved <= MOVING * len(cells)
    if "Verdict" in before:
        assert before["Verdict"]["Sentence"] in unescape(html)
        assert all(point["Text"] in unescape(html) for point in after["Verdict"]["Points"])


@pytest.mark.parametrize(("daemon", "path"), PAGES)
def test_csv_and_json_agree(quiet: Site, daemon: str, path: str) -> None:
    """Every CSV file that a page links to has the rows of JSON, all of them, under the same keys."""
    port: StatusPort = getattr(quiet, daemon)
    own = re.escape(path.partition("?")[0].rstrip("/"))
    links = set(re.findall(rf'href="({own}/[a-z-]+\.csv[^"]*)"', page(port, path)))
    before = twin(port, path)
    files = {link: _rows(port, unescape(link)) for link in links}
    after = twin(port, path)
    tables = {tuple(value[0]): key for key, value in before.items() if isinstance(value, list) and value}
    for link, rows in files.items():
        key = tables[tuple(rows[0])]
        assert len(rows) in (len(before[key]), len(after[key])), link
        for row, old, new in zip(rows, before[key], after[key], strict=False):
            for name, text in row.items():
                assert _same(old[name], new[name], text), (link, name, old[name], new[name], text)


def _rows(port: StatusPort, link: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(page(port, link))))


def _same(old: Any, new: Any, text: str) -> bool:
    if isinstance(old, list) or isinstance(new, list):
        return True  # told by spaces; the parts are compared above
    if old is None or new is None:
        return text == "" or old != new
    if isinstance(old, bool):
        return text == str(old).lower()
    if isinstance(old, int | float) and isinstance(new, int | float):
        return min(old, new) <= float(text) <= max(old, new)
    return text.removeprefix("'") in (old, new) or old < text < new
