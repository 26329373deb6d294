"""The tools by name, and how they end: one line on stderr when something cannot be used."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module

from kproxy_tw.commands.exits import Exit, failure_line
from kproxy_tw.errors import KproxyError

OF_CAPTURES = ("decode", "fields", "replay")
"""Tools that know no daemon."""

TOOLS: Mapping[str, tuple[str, ...]] = {
    "kproxy": (*OF_CAPTURES, "check", "doctor", "healthcheck", "top"),
    "kbgp": ("check", "healthcheck", "top"),
    "kcollect": ("check", "healthcheck"),
}
"""What may stand in the place of a command's first flag; each is the module of its name."""


def run_tool(command: str, name: str, arguments: Sequence[str]) -> int:
    """Run one. :return: the process's exit status: 0, 1 when something cannot be used, 2 for a bad command line."""
    try:
        return int(_tool(command, name)(arguments))
    except KproxyError as problem:
        sys.stderr.write(failure_line(f"{command} {name}", str(problem)) + "\n")
        return int(Exit.FAILED)
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing is left that could be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.OK)
    except KeyboardInterrupt:
        return int(Exit.FAILED)


def _tool(command: str, name: str) -> Callable[[Sequence[str]], Exit]:
    # Only the one that is asked for: a health check must not wait for the decoders.
    main: Callable[..., Exit] = import_module(f"kproxy_tw.commands.tools.{name}").main
    return main if name in OF_CAPTURES else partial(main, command)
