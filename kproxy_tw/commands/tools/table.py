"""The tools by name, and how they end: one line on stderr when a file cannot be used."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from kproxy_tw.commands.exits import Exit, failure_line
from kproxy_tw.commands.tools import decode, fields, replay
from kproxy_tw.commands.tools.inputs import BadFile

TOOLS: Mapping[str, Callable[[Sequence[str]], Exit]] = {
    "decode": decode.main,
    "fields": fields.main,
    "replay": replay.main,
}


def run_tool(name: str, arguments: Sequence[str]) -> int:
    """Run one. :return: the process's exit status: 0, 1 for a file that cannot be used, 2 for a bad command line."""
    try:
        return int(TOOLS[name](arguments))
    except BadFile as problem:
        sys.stderr.write(failure_line(f"kproxy {name}", str(problem)) + "\n")
        return int(Exit.FAILED)
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing is left that could be flushed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.OK)
    except KeyboardInterrupt:
        return int(Exit.FAILED)
