"""kcollect's pages in Chromium, while flow of four devices is stored."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.checks import overflow, violations
from tests.browser.conftest import Tab
from tests.browser.site import Site

Open = Callable[..., Tab]

PAGES = ("/", "/traffic?by=port&range=15m", "/talkers?range=15m", "/devices/101?range=15m", "/traffic?by=nothing")
LIVE = "document.querySelector('#live .state').textContent === 'live'"


@pytest.fixture
def stored(site: Site) -> Site:
    """The site, once a whole step of a chart has flow."""
    until = time.monotonic() + 60
    while not document(site, "/traffic.json?range=15m")["Parts"]:
        assert time.monotonic() < until
        time.sleep(0.5)
    return site


def document(site: Site, path: str) -> Any:
    """The JSON of a page."""
    return site.kcollect.document(path)


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_clean(browser: Any, stored: Site, tab: Open, path: str) -> None:
    """No console error, no serious axe violation, no sideways scrolling: light, dark, 400 px."""
    for options in ({"color_scheme": "light"}, {"color_scheme": "dark", "viewport": {"width": 400, "height": 800}}):
        found = tab(**options)
        found.page.goto(f"{stored.kcollect}{path}")
        assert violations(found.page) == []
        assert overflow(found.page) <= 0
        expected = ["error: Failed to load resource: the server responded with a status of 400 (Bad Request)"]
        assert found.problems == (expected if "nothing" in path else [])


def test_a_chart_can_be_zoomed(browser: Any, stored: Site, tab: Open) -> None:
    """The drawing gives way to one that tells values where one points, and shows a time closer that one drags over."""
    found = tab()
    found.page.goto(f"{stored.kcollect}/traffic?by=protocol&range=15m")
    chart = found.page.locator(".drawn .u-over")
    box = chart.bounding_box()
    assert not found.page.locator(".plot").is_visible()
    last = found.text(".legend .value")
    found.page.mouse.move(box["x"] + 5, box["y"] + 50)
    found.wait("/altogether/.test(document.querySelector('figcaption').textContent)")
    assert found.text(".legend .value") == "0 bit/s" != last
    found.page.mouse.move(box["x"] + box["width"] / 3, box["y"] + 50)
    found.page.mouse.down()
    found.page.mouse.move(box["x"] + 2 * box["width"] / 3, box["y"] + 50, steps=4)
    found.page.mouse.up()
    found.page.wait_for_url(re.compile("from="))
    asked = parse_qs(urlsplit(found.page.url).query)
    assert int(asked["to"][0]) - int(asked["from"][0]) == pytest.approx(300, abs=10)
    assert asked["by"] == ["protocol"]
    assert found.problems == []


def test_a_chart_by_keyboard(browser: Any, stored: Site, tab: Open) -> None:
    """Arrows move through the steps and are spoken; minus shows more time."""
    found = tab()
    found.page.goto(f"{stored.kcollect}/traffic?by=protocol&range=15m")
    found.page.locator(".drawn").focus()
    found.page.keyboard.press("End")
    spoken = found.page.locator("[aria-live]").inner_text()
    assert "altogether" in spoken
    found.page.keyboard.press("ArrowLeft")
    assert found.page.locator("[aria-live]").inner_text() != spoken
    found.page.keyboard.press("-")
    found.page.wait_for_url(re.compile("from="))
    asked = parse_qs(urlsplit(found.page.url).query)
    assert int(asked["to"][0]) - int(asked["from"][0]) > 900


def test_without_scripts(browser: Any, stored: Site, tab: Open) -> None:
    """The drawing is there, with the table; pickers and a form lead on."""
    found = tab(java_script_enabled=False)
    found.page.goto(f"{stored.kcollect}/traffic?range=15m")
    assert found.page.locator("svg.areas path").count() == 4
    assert found.page.locator(".drawn").count() == 0
    found.page.get_by_role("link", name="Protocol", exact=True).click()
    assert found.text("h1") == "Traffic by protocol"
    found.page.locator(".between summary").click()
    found.page.locator("input[name=from]").fill("2020-01-01T00:00")
    found.page.locator("input[name=to]").fill("2020-01-01T01:00")
    found.page.get_by_role("button", name="Show").click()
    assert "No flow in this time" in found.text("#live_chart")
    assert "by=protocol" in found.page.url


def test_numbers_move_and_rows_lead_on(browser: Any, stored: Site, tab: Open) -> None:
    """The first page grows while one looks; a device leads to its page, a row to its own traffic."""
    found = tab()
    found.page.goto(str(stored.kcollect))
    found.wait(LIVE)
    before = found.text("#live_verdict h1")
    found.wait(f"document.querySelector('#live_verdict h1').innerText !== {before!r}")
    found.page.get_by_role("link", name="edge_fra1_r1").first.click()
    assert found.text("h1").startswith("edge_fra1_r1")
    found.page.locator("#live_parts tbody a").first.click()
    found.page.wait_for_url(re.compile("/traffic"))
    assert "device=101" in found.page.url
    chips = found.page.locator(".chip")
    assert chips.count() >= 2
    chips.first.click()
    found.page.wait_for_url(lambda url: "device=101" not in url)
    assert found.problems == []


def test_the_table_is_the_document(browser: Any, stored: Site, tab: Open) -> None:
    """What the page lists over a time that is over is what its JSON says."""
    now = int(time.time())
    query = f"by=device&from={now - 600}&to={now - 2}"
    found = tab()
    found.page.goto(f"{stored.kcollect}/traffic?{query}")
    names = found.page.locator("#live_parts tbody th").all_inner_texts()
    twin = document(stored, f"/traffic.json?{query}")
    assert [name.strip() for name in names] == [row["Label"] for row in twin["Parts"]]
    assert len(names) == 4
