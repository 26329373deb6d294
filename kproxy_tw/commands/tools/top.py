"""``kproxy top`` and ``kbgp top``: what the first page shows, live in the terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module

from kproxy_tw.commands.exits import Exit, fail_start
from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.tools.board.document import Layout, board, lines
from kproxy_tw.commands.tools.client import StatusPort
from kproxy_tw.commands.tools.daemon_flags import daemon_options
from kproxy_tw.commands.tools.status_port import URL, status_port
from kproxy_tw.errors import ConfigError
from kproxy_tw.web.tables.table import Column

PAGE = "/index.json"

ONCE = Flag("once", "bool", "print it once, and leave", state=State.WORKS)
JSON = Flag("json", "bool", "with -once: print JSON", state=State.WORKS)
INTERVAL = Flag(
    "interval", "float", "seconds from one look to the next", 2.0, State.WORKS, metavar="SECONDS", low=0, high=3600
)
LEAST_INTERVAL = 0.2


def main(command: str, arguments: Sequence[str]) -> Exit:
    """Run it. Where standard output is no terminal, it prints once.

    :raises NoAnswer: with ``-once``, there was no answer.
    :raises SystemExit: a setting (78) or the command line (2) is bad; the line is written.
    """
    description = f"Show what a running {command} does, live in the terminal."
    options = daemon_options(command, "top", description, arguments, URL, ONCE, JSON, INTERVAL)
    try:
        port = status_port(options)
    except ConfigError as problem:
        fail_start(f"{command} top", Exit.BAD_CONFIGURATION, str(problem))
    if options["json"] or options["once"] or not sys.stdout.isatty():
        return _print_once(port, _layout(command), as_json=bool(options["json"]))
    from kproxy_tw.commands.tools.board.screen import TopScreen

    TopScreen(port, PAGE, _layout(command), max(LEAST_INTERVAL, options["interval"])).run()
    return Exit.OK


def _print_once(port: StatusPort, layout: Layout, *, as_json: bool) -> Exit:
    document = port.document(PAGE)
    shown = [json.dumps(document, indent=2)] if as_json else lines(board(document, layout, now=time.time()))
    sys.stdout.write("\n".join(shown) + "\n")
    return Exit.OK


def _layout(command: str) -> Layout:
    """The columns of the daemon's own page, but those that only programs want; what is below a cell has one here."""
    columns: Sequence[Column]
    if command == "kproxy":
        named: Mapping[str, Column] = {}
        key, columns = "Devices", import_module("kproxy_tw.web.pages.kproxy").DEVICE_COLUMNS
    else:
        named = {"Device": Column(key="Device", title="Device")}
        key, columns = "Sessions", import_module("kproxy_tw.web.pages.kbgp").SESSION_COLUMNS
    shown = [named.get(column.key, column) for column in columns]
    return Layout(key, [column for column in shown if not column.hidden])
