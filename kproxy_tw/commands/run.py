"""The console scripts: twistd in the foreground, with the command's name already there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from twisted.application.service import ServiceMaker
from twisted.scripts import twistd


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
    """Run a daemon in the foreground with the arguments of the process; returns after a drained stop."""
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
