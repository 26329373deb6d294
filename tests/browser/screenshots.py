"""``make screenshots``: pictures of the pages for the documentation, from real daemons under real traffic.

``python -m tests.browser.screenshots FOLDER``
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.browser.conftest import CHROMIUM
from tests.browser.site import ROUTER, STRANGER_ROUTER, Site, running

WARM_SECONDS = 150.0
"""Until the small lines have something to show."""

LOSSY_SECONDS = 40.0
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 400, "height": 860}

PICTURES = (
    # name, daemon, path, viewport, scheme, whole page
    ("kproxy", "kproxy", "/", WIDE, "light", True),
    ("kproxy-dark", "kproxy", "/", WIDE, "dark", False),
    ("kproxy-narrow", "kproxy", "/", NARROW, "light", False),
    ("kproxy-device", "kproxy", "/devices/103", WIDE, "light", False),
    ("kproxy-upstream", "kproxy", "/upstream", WIDE, "light", False),
    ("kproxy-limits", "kproxy", "/limits", WIDE, "light", False),
    ("kproxy-config", "kproxy", "/config", WIDE, "light", False),
    ("kproxy-log", "kproxy", "/log", WIDE, "light", False),
    ("kproxy-tap", "kproxy", "/devices/101/tap", WIDE, "light", False),
    ("kbgp", "kbgp", "/", WIDE, "light", True),
    ("kcollect", "kcollect", "/", WIDE, "light", True),
    ("kcollect-traffic", "kcollect", "/traffic?by=protocol&range=15m", WIDE, "light", True),
    ("kcollect-talkers", "kcollect", "/talkers?range=15m", WIDE, "dark", False),
)


def take(browser: Any, site: Site, folder: Path) -> None:
    """Every picture."""
    for name, daemon, path, viewport, scheme, whole in PICTURES:
        page = browser.new_page(viewport=viewport, color_scheme=scheme, ignore_https_errors=True)
        page.goto(f"{getattr(site, daemon)}{path}")
        if path.endswith("/tap"):
            page.get_by_role("button", name="Start").click()
        page.wait_for_timeout(4000)
        page.screenshot(path=folder / f"{name}.png", full_page=whole)
        page.close()
        print(folder / f"{name}.png", flush=True)


def main() -> None:
    """Run the daemons for some minutes, let one exporter lose datagrams, and take the pictures."""
    from playwright.sync_api import sync_playwright

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as site, sync_playwright() as playwright:
        site.routers.connect(ROUTER)
        site.routers.connect(STRANGER_ROUTER)
        print(f"traffic for {WARM_SECONDS + LOSSY_SECONDS:.0f} s", flush=True)
        time.sleep(WARM_SECONDS)
        site.traffic.source("branch_old_7206").lossy = True
        time.sleep(LOSSY_SECONDS)
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=args)
        take(browser, site, folder)
        browser.close()


if __name__ == "__main__":
    main()
