"""Forty hostile strings as names, events and reasons, in a browser: nothing executes, nothing breaks the layout."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.checks import overflow, violations
from tests.browser.conftest import Tab
from tests.web.hostile import STRINGS

Open = Callable[..., Tab]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ports(browser: Any) -> Iterator[tuple[int, int]]:
    """The ports of kproxy's and of kbgp's pages."""
    command = [sys.executable, "-m", "tests.browser.hostile_site"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT)}
    ) as process:
        assert process.stdout is not None
        one, other = process.stdout.readline().split()
        yield int(one), int(other)
        assert process.stdin is not None
        process.stdin.close()


ROWS = [
    (0, "/", ("devices", "unregistered")),
    (0, "/devices/3", ("names", "events")),
    (1, "/", ("sessions", "ended")),
]
"""Which port, which page, and the tables that have a row for each string."""


@pytest.mark.parametrize(("which", "path", "names"), ROWS)
@pytest.mark.parametrize("width", [1440, 400])
def test_hostile_strings(
    browser: Any, ports: tuple[int, int], tab: Open, which: int, path: str, names: tuple[str, str], width: int
) -> None:
    """All rows are there, all text is text, no dialog, no foreign request, no error, no sideways scrolling."""
    found = tab(viewport={"width": width, "height": 900})
    own = f"http://127.0.0.1:{ports[which]}"
    requests: list[str] = []
    found.page.on("request", lambda request: requests.append(request.url))
    found.page.goto(own + path)
    found.wait("document.getElementById('live').innerText.trim() === 'live'")
    found.page.wait_for_timeout(1200)  # the first fragments are merged in
    for name in names:
        table = found.page.locator(f"[aria-labelledby={name}] tbody")
        assert table.locator("tr").count() == len(STRINGS)
        assert table.locator("script, img, iframe, form, b, math, base, meta, [onload], [onerror]").count() == 0
    assert "<script>alert(1)</script>" in found.text("main")
    assert overflow(found.page) <= 0
    assert violations(found.page) == []
    assert [url for url in requests if not url.startswith(own)] == []
    assert found.problems == []
