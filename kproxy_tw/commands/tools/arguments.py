"""Command lines of the tools for captures: bad ones end in one line and status 2."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from kproxy_tw.commands.exits import Exit, fail_start


class ToolParser(argparse.ArgumentParser):
    """An argument parser that says in one line what is wrong."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(prog=f"kproxy {name}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """End the process. :raises SystemExit: always, with status 2."""
        fail_start(self.prog, Exit.BAD_COMMAND_LINE, f"{message}; -h explains")


def whole(low: int, high: int) -> Any:
    """Make the type of a whole number between two bounds."""

    def number(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}, not {text[:40]!r}")
        return int(text)

    return number


def add_files(parser: argparse.ArgumentParser, *, folders: bool) -> None:
    """Add the files that are read."""
    what = "pcap, pcapng or .dat file" + (", or a folder of them" if folders else "")
    parser.add_argument(
        "files", nargs="+", metavar="FILE", type=Path, help=f"{what}; .dat files hold one datagram each"
    )
    parser.add_argument(
        "--port",
        type=whole(1, 65535),
        help="only datagrams to this UDP port (otherwise: all that look like flow)",
    )
