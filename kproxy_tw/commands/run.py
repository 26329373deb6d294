"""The console scripts: twistd in the foreground, with the command's name already there, or a tool."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from twisted.application.service import ServiceMaker
from twisted.scripts import twistd

from kproxy_tw.commands.tools.table import TOOLS, run_tool


class ScriptOptions(twistd.ServerOptions):  # type: ignore[name-defined]
    """twistd's options for one known command; no plugin has to be searched for.

    :param maker: how the command's service is made.
    """

    def __init__(self, maker: ServiceMaker) -> None:
        super().__init__()
        self.loadedPlugins = {maker.tapname: maker}

    @property
    def subCommands(self) -> Iterator[tuple[str, None, Any, str]]:
        """Give the one command, as twistd asks for its plugins."""
        for maker in self.loadedPlugins.values():
            yield maker.tapname, None, lambda maker=maker: maker.options(), maker.description


def run(name: str) -> None:
    """Run a command with the arguments of the process: the tool that the first one names, or the daemon.

    The daemon runs in the foreground, and this returns after a drained stop.

    :raises SystemExit: a tool has ended.
    """
    if len(sys.argv) > 1 and sys.argv[1] in TOOLS[name]:
        raise SystemExit(run_tool(name, sys.argv[1], sys.argv[2:]))
    options = ScriptOptions(ServiceMaker(name, f"kproxy_tw.commands.{name}", "", name))
    # No pid file: the shell or the supervisor knows the process.
    options.parseOptions(["--nodaemon", "--pidfile=", name, *sys.argv[1:]])
    twistd.runApp(options)


def kproxy() -> None:
    """Run ``kproxy``."""
    run("kproxy")


def kbgp() -> None:
    """Run ``kbgp``."""
    run("kbgp")


def kcollect() -> None:
    """Run ``kcollect``."""
    run("kcollect")
