"""kproxy's pages in Chromium while real exporters send."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.checks import look_everywhere
from tests.browser.conftest import Tab
from tests.browser.exporting import STRANGER
from tests.browser.site import Site

Open = Callable[..., Tab]

PAGES = ("/", "/devices/101", "/devices/103", "/upstream", "/limits", "/config", "/log", "/devices/101/tap", "/no")


def opened(tab: Open, address: str, **options: Any) -> Tab:
    """A tab with a page, loaded."""
    found = tab(**options)
    found.page.goto(address, wait_until="load")
    return found


def first_page(tab: Open, site: Site, query: str = "", **options: Any) -> Tab:
    """The first page, once all four devices are on it."""
    found = opened(tab, f"{site.kproxy}/", **options)
    if options.get("java_script_enabled", True):
        while found.page.locator("#live_devices tbody tr").count() < 4:
            found.page.wait_for_timeout(500)
            found.page.reload()
    if query:
        found.page.goto(f"{site.kproxy}/{query}")
    return found


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_clean(browser: Any, site: Site, tab: Open, path: str) -> None:
    """No console error; no serious axe violation in light, in dark and at 400 px, where nothing scrolls sideways."""
    found = opened(tab, f"{site.kproxy}{path}")
    assert look_everywhere(found.page) == []
    assert found.page.locator("header a").last.is_visible()
    missing = [problem for problem in found.problems if "404" in problem]
    assert found.problems == (missing if path == "/no" else [])


def test_live_numbers_move(browser: Any, site: Site, tab: Open) -> None:
    """The count of datagrams grows without a reload; what is focused stays focused."""
    found = first_page(tab, site)
    found.page.evaluate("window.kept = document.querySelector('#live_devices tbody a'); window.kept.focus()")
    found.wait("document.getElementById('live').innerText.trim() === 'live'")
    before = found.text("#live_ledger .facts dd")
    found.wait(f"document.querySelector('#live_ledger .facts dd').innerText !== {before!r}")
    found.wait("document.querySelector('#live_strip .rate').textContent.trim().length > 1")
    assert found.page.evaluate("document.activeElement === window.kept")
    assert found.problems == []


def test_the_cap_and_the_rates(browser: Any, site: Site, tab: Open) -> None:
    """Each device's format, rate with its origin, and what the cap leaves out."""
    found = first_page(tab, site)
    found.wait("/1:100\\s+from header/.test(document.getElementById('live_devices').innerText)")
    rows = {row.splitlines()[0]: row for row in found.page.locator("#live_devices tbody tr").all_inner_texts()}
    assert "netflow5" in rows["branch_old_7206"]
    assert "of 60/s" in rows["core_fra1_sw3"]
    assert re.search(r"1:10\s+from device", rows["edge_ams2_r1"])
    found.wait("[...document.querySelectorAll('#live_devices svg.spark polyline')].length === 4")


def test_unregistered(browser: Any, site: Site, tab: Open) -> None:
    """A stranger is named by the verdict and listed with what to paste into a form."""
    found = first_page(tab, site)
    found.wait("document.querySelector('#live_unregistered tbody tr') !== null")
    assert STRANGER in found.text("#live_verdict")
    assert f"sending_ips: {STRANGER}" in found.text("#live_unregistered tbody tr")


def test_filter_and_sort(browser: Any, site: Site, tab: Open) -> None:
    """The form finds by name, address and format; titles sort, by keyboard too."""
    found = first_page(tab, site)
    page = found.page
    page.get_by_label("Find").fill("sflow")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=sflow*")
    names = page.locator("#live_devices tbody th a").all_inner_texts()
    assert names == ["core_fra1_sw3"]
    assert "1 of 4" in found.text(".pager")
    page.get_by_role("link", name="Clear").click()
    page.wait_for_url(lambda address: "q=" not in address)
    title = page.get_by_role("columnheader", name="In1", exact=True).get_by_role("link")
    title.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/?sort=In1&order=desc*")
    assert page.locator("#live_devices tbody th a").first.inner_text() == "core_fra1_sw3"
    assert page.locator("th[aria-sort=descending]").inner_text().startswith("In1")
    assert found.problems == []


def test_a_device_goes_bad(browser: Any, site: Site, tab: Open) -> None:
    """Datagrams get lost: the verdict says whose and since when, and ``?state=bad`` finds the device."""
    found = first_page(tab, site)
    assert "branch_old_7206" not in found.text("#live_verdict")
    source = site.traffic.source("branch_old_7206")
    source.lossy = True
    try:
        found.wait(
            "/branch_old_7206 lost .* on the way here.* since [0-9:]+/.test("
            "document.getElementById('live_verdict').innerText)"
        )
        found.page.goto(f"{site.kproxy}/?state=bad")
        assert found.page.locator("#live_devices tbody th a").all_inner_texts() == ["branch_old_7206"]
        assert "bad" in found.text("#live_devices tbody tr .state")
        found.page.get_by_role("link", name="branch_old_7206", exact=True).click()
        assert "needs attention" in found.text("h1")
    finally:
        source.lossy = False
    assert found.problems == []


def test_without_scripts(browser: Any, site: Site, tab: Open) -> None:
    """Everything can be read, filtered, sorted and refreshed; times are there, too."""
    found = first_page(tab, site, java_script_enabled=False)
    page = found.page
    for _attempt in range(40):
        if page.locator("#live_devices tbody tr").count() == 4:
            break
        page.wait_for_timeout(500)
        page.get_by_role("link", name="Look again").click()
    page.get_by_label("Find").fill("127.0.0.21")
    page.get_by_role("button", name="Show").click()
    assert page.locator("#live_devices tbody th a").all_inner_texts() == ["edge_fra1_r1"]
    assert re.fullmatch(r"[0-9-]{10} [0-9:]{8}", page.locator("#live_verdict time").inner_text())
    page.goto(f"{site.kproxy}/devices/101/tap")
    assert page.get_by_role("link", name="/devices/101/tap.txt").is_visible()


def test_tap(browser: Any, site: Site, tab: Open) -> None:
    """Off until started; then records come, the filter narrows them, and Stop stops."""
    found = opened(tab, f"{site.kproxy}/devices/101/tap")
    page = found.page
    assert found.text("#tap-state") == "off"
    page.wait_for_timeout(1500)
    assert not page.locator("#tap-lines").is_visible()
    page.get_by_role("button", name="Start").click()
    found.wait("document.getElementById('tap-lines').textContent.split('\\n').length > 20")
    assert re.search(r"\d+\.\d+\.\d+\.\d+:\d+ > \S+ (TCP|UDP) \d+ B \d+ pkts", page.locator("#tap-lines").inner_text())
    page.get_by_label("Only lines with").fill("no such text anywhere")
    found.wait("document.getElementById('tap-lines').textContent === ''")
    page.get_by_role("button", name="Stop").click()
    assert found.text("#tap-state") == "stopped"
    assert found.problems == []


def test_the_log_and_its_level(browser: Any, site: Site, tab: Open) -> None:
    """The form changes the level by POST, the page says so, and the filter hides what is less."""
    found = opened(tab, f"{site.kproxy}/log")
    page = found.page
    for level in ("debug", "info"):
        page.get_by_label("The log is kept at").select_option(level)
        page.get_by_role("button", name="Change").click()
        page.wait_for_url("**/log")
        assert page.get_by_label("The log is kept at").input_value() == level
    found.wait("/log level changed from debug to info/.test(document.getElementById('live_lines').innerText)")
    page.get_by_role("link", name="error", exact=True).click()
    page.wait_for_url("**/log?level=error")
    assert "log level changed" not in found.text("#live_lines")
    assert found.problems == []


def test_print(browser: Any, site: Site, tab: Open) -> None:
    """On paper there is no navigation, and the tables are there."""
    found = first_page(tab, site)
    found.page.emulate_media(media="print")
    assert not found.page.locator("nav[aria-label=Pages]").is_visible()
    assert not found.page.locator("form.filter").is_visible()
    assert found.page.locator("#live_devices tbody tr").count() == 4
