"""kbgp's pages in Chromium, with a router that has a session and one that is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.checks import look_everywhere
from tests.browser.conftest import Tab
from tests.browser.site import ROUTER, SHUTDOWN_TEXT, STRANGER_ROUTER, Site

Open = Callable[..., Tab]


@pytest.mark.parametrize("path", ["/", "/config", "/log"])
def test_pages_are_clean(browser: Any, site: Site, tab: Open, path: str) -> None:
    """No console error; no serious axe violation in light, in dark and at 400 px, where nothing scrolls sideways."""
    found = tab()
    found.page.goto(f"{site.kbgp}{path}")
    assert look_everywhere(found.page) == []
    assert found.problems == []


def test_a_session_comes_and_goes(browser: Any, site: Site, tab: Open) -> None:
    """It appears with what the router says of itself, its counts grow, and its end is told in the router's words."""
    found = tab()
    found.page.goto(str(site.kbgp))
    router = site.routers.connect(ROUTER)
    site.routers.connect(STRANGER_ROUTER)
    found.wait("/connected[^]*AS65010[^]*AS65000/.test(document.getElementById('live_sessions').innerText)")
    row = found.text("#live_sessions tbody tr")
    for word in ("peering_fra1", "connected", "10.1.0.1", "90", "with AS65000"):
        assert word in row
    found.wait("/Update [2-9]/.test(document.getElementById('live_sessions').innerText)")
    found.wait(f"document.getElementById('live_denied').innerText.includes({STRANGER_ROUTER!r})")
    assert STRANGER_ROUTER in found.text("#live_verdict")
    site.routers.shut_down(router, SHUTDOWN_TEXT)
    found.wait("document.querySelector('#live_ended tbody tr') !== null")
    assert ROUTER in found.text("#live_ended tbody tr")
    assert found.page.locator("#live_ended b").count() == 0
    assert found.problems == []
