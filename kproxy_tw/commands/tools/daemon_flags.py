"""Command lines of the tools that look at a daemon: its own flags, and some of the tool's.

So ``kproxy doctor`` before the flags that kproxy is started with is about that very kproxy.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import ClassVar

from kproxy_tw.commands.flags import Flag
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.reference import help_text


def daemon_options(command: str, tool: str, description: str, arguments: Sequence[str], *extra: Flag) -> CommandOptions:
    """Read a tool's command line with the daemon's flags and environment.

    :param description: one sentence for ``-h``.
    :param extra: the tool's own flags.
    :raises SystemExit: help was asked for (0), or the command line (2) or a setting (78) is bad; the text is written.
    """
    daemon: type[CommandOptions] = import_module(f"kproxy_tw.commands.{command}").Options
    name = f"{command} {tool}"

    class ToolOptions(daemon):  # type: ignore[misc, valid-type]
        """The daemon's command line with the tool's flags besides."""

        flags: ClassVar[Sequence[Flag]] = (*daemon.flags, *extra)

        def __str__(self) -> str:
            own = help_text(name, [*extra, *(flag for flag in daemon.flags if flag.name == "help")])
            usage, _blank, rest = own.partition("\n\n")
            usage = usage.splitlines()[0].replace("[flags]", f"[flags] [{command}'s flags]")
            return f"{usage}\n\n{description}\nGive it the flags of the {command} that is meant.\n\n{rest}"

    options: CommandOptions = ToolOptions()
    options.parseOptions(arguments)
    return options
