"""Flags that every daemon has, and defaults that depend on who starts it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from kproxy_tw.commands.flags import Flag, State

LOG_LEVELS = ("access", "debug", "info", "warn", "error", "panic", "off")

HELP = Flag("help", "bool", "print the flags and exit", state=State.WORKS, aliases=("h",))
NODAEMON = Flag("nodaemon", "bool", "stay in the foreground, as twistd -n does", state=State.WORKS, aliases=("n",))


def state_directory(command: str) -> Callable[[], str]:
    """Make the default for where ``command`` keeps its files: the system's place for root, the user's own otherwise."""

    def default() -> str:
        if os.geteuid() == 0:
            return f"/var/lib/{command}"
        return str(Path.home() / ".local" / "state" / command)

    return default


def state_directory_text(command: str) -> str:
    """Describe :func:`state_directory` for the help."""
    return f"/var/lib/{command} for root, else ~/.local/state/{command}"
