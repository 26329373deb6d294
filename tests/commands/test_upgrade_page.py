"""What became of the original's flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from kproxy_tw.commands import upgrade_page
from kproxy_tw.commands.flags import State
from kproxy_tw.commands.reference import COMMANDS
from tests import source

PAGE = source.ROOT / "docs/upgrade-flags.rst"
DOCUMENTED = Path(__file__).with_name("documented_flags.txt")


def documented(command: str) -> set[str]:
    """Name the flags that the public documents list."""
    rows = (line.split("|") for line in DOCUMENTED.read_text().splitlines() if not line.startswith("#"))
    return {row[1] for row in rows if row[0] == command}


def test_page_is_up_to_date() -> None:
    """Otherwise: make docs-flags."""
    assert upgrade_page.page() == PAGE.read_text(), "out of date, run: make docs-flags"


@pytest.mark.parametrize("command", ["kproxy", "kbgp"])
def test_every_documented_flag_is_there(command: str) -> None:
    """And none of our own."""
    assert upgrade_page.ORIGINAL[command] == documented(command)
    assert all(f"``-{name}``" in upgrade_page.page() for name in documented(command))


@pytest.mark.parametrize("command", ["kproxy", "kbgp"])
def test_what_is_better_works(command: str) -> None:
    """Nothing is praised that does nothing."""
    (flags,) = (flags for name, _, flags in COMMANDS if name == command)
    working = {flag.name for flag in flags if flag.state is State.WORKS}
    assert set(upgrade_page.BETTER[command]) <= working
