"""Tests in a real browser: Debian's Chromium, driven by Playwright, against real daemons under real traffic.

Playwright's synchronous interface wants a thread without a running event loop, and the reactor runs in pytest's; so
tests here run in a thread of their own, one after the other.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.browser.site import Site, running

T = TypeVar("T")

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 40_000
"""How long anything on a page may take to come; other tests may keep the machine busy."""

OPTIONS: Mapping[str, Any] = {"viewport": {"width": 1440, "height": 900}, "ignore_https_errors": True}
"""Of a window; kcollect's certificate is of an authority that the browser does not know."""

_thread = ThreadPoolExecutor(1, "browser")


def in_thread(work: Callable[[], T]) -> T:
    """Do something where the browser lives."""
    return _thread.submit(work).result()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run a test that has a browser in the browser's thread."""
    if "browser" not in pyfuncitem.fixturenames:
        return None
    names = pyfuncitem._fixtureinfo.argnames
    in_thread(lambda: pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium; skips where it or Playwright is not installed, and says what to install."""
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("BROWSER TESTS DO NOT RUN: no Playwright; pip install -e '.[test]'")
    if not CHROMIUM.exists():
        pytest.skip(f"BROWSER TESTS DO NOT RUN: no {CHROMIUM}; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    def start() -> tuple[Any, Any]:
        playwright = sync_playwright().start()
        # Chromium's sandbox refuses to run as root.
        args = ["--no-sandbox"] if os.geteuid() == 0 else []
        return playwright, playwright.chromium.launch(executable_path=str(CHROMIUM), args=args)

    playwright, started = in_thread(start)
    yield started
    in_thread(started.close)
    in_thread(playwright.stop)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The three daemons with traffic."""
    with running(tmp_path_factory.mktemp("site")) as site:
        yield site


class Tab:
    """A tab of the browser that remembers what went wrong in it.

    :ivar page: Playwright's.
    :ivar problems: messages on the console that are errors or warnings, uncaught exceptions, dialogs.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("dialog", self._dialog)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _dialog(self, dialog: Any) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def text(self, selector: str) -> str:
        """The text of the first element."""
        return str(self.page.locator(selector).first.inner_text())

    def wait(self, condition: str) -> None:
        """Until an expression of the page's own language is true.

        By the debugger again and again: Playwright's own way evaluates a text in the page, which its policy forbids.
        """
        until = time.monotonic() + PATIENCE_MS / 1000
        while not self.page.evaluate(condition):
            assert time.monotonic() < until, (
                f"{condition} has not come true; the page says:\n{self.text('main')[:2000]}"
            )
            self.page.wait_for_timeout(150)


@pytest.fixture
def tab(browser: Any) -> Iterator[Callable[..., Tab]]:
    """Opens tabs; the arguments are those of a Playwright context."""
    contexts = []

    def open_tab(**options: Any) -> Tab:
        context = browser.new_context(**{**OPTIONS, **options})
        contexts.append(context)
        return Tab(context.new_page())

    yield open_tab
    for context in contexts:
        in_thread(context.close)
