"""``kbgp top`` and ``kproxy top`` beside the running daemons, in a terminal."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.site import ROUTER, STRANGER_ROUTER, Site
from tests.commands.terminal import Terminal

Open = Callable[[str, object], Terminal]


@pytest.fixture
def top() -> Iterator[Open]:
    """Opens ``top`` of a daemon, and closes it at the end."""
    opened: list[Terminal] = []

    def open_top(command: str, port: object) -> Terminal:
        program = Path(sys.executable).parent / command
        opened.append(Terminal(f"{command}-{os.getpid()}", f"{program} top --interval 0.3 --url {port}"))
        return opened[-1]

    yield open_top
    for terminal in opened:
        terminal.close()


def test_kbgp_top(site: Site, top: Open) -> None:
    """A session comes, its messages are counted, the refused router is named, a filter narrows, q ends it."""
    terminal = top("kbgp", site.kbgp)
    terminal.wait(r"[✓!] ")
    router = site.routers.connect(ROUTER)
    site.routers.connect(STRANGER_ROUTER)
    terminal.wait(rf"{ROUTER}:\d+ +peering_fra1 +connected .*AS65010")
    terminal.wait(r"Update ([2-9]|\d\d)")
    terminal.wait("does not know")
    terminal.wait(re.escape(STRANGER_ROUTER))
    terminal.keys("/")
    terminal.wait("rows with this text")
    terminal.keys("no such router")
    terminal.wait(r"0 of \d+ row")
    terminal.keys("Escape")
    terminal.wait(re.escape(ROUTER))
    terminal.keys("q")
    assert terminal.gone()
    router.close()


def test_kproxy_top(site: Site, top: Open) -> None:
    """Four devices with moving rates; the order of a column, turned."""
    terminal = top("kproxy", site.kproxy)
    terminal.wait(r"(?s)core_fra1_sw3.*edge_fra1_r1")
    terminal.wait(r"received [1-9]\d*/s +forwarded [1-9]\d*/s")
    terminal.keys("s")
    terminal.wait(r"(?s)Device▲.*branch_old_7206.*core_fra1_sw3.*edge_fra1_r1")
    terminal.keys("r")
    terminal.wait(r"(?s)Device▼.*edge_fra1_r1.*core_fra1_sw3.*branch_old_7206")
    terminal.keys("q")
    assert terminal.gone()
