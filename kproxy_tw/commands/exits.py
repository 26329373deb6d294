"""How a process ends when something is wrong: one line on stderr, and a status that says which kind."""

from __future__ import annotations

import contextlib
import enum
import os
from typing import NoReturn

#: Longest line on stderr.
MAX_LINE = 500


class Exit(enum.IntEnum):
    """Exit statuses; 69 and 78 are those of ``sysexits.h``."""

    OK = 0
    FAILED = 1
    BAD_COMMAND_LINE = 2
    UNAVAILABLE = 69
    BAD_CONFIGURATION = 78


def failure_line(command: str, message: str) -> str:
    """Make the one line: control characters (newlines too) become spaces, and its length is bounded."""
    text = "".join(letter if letter.isprintable() else " " for letter in message)
    return f"{command}: {' '.join(text.split())}"[:MAX_LINE]


def fail_start(command: str, status: int, message: str) -> NoReturn:
    """End the process before its reactor runs: one line on stderr, then ``status``.

    :raises SystemExit: always.
    """
    _say(failure_line(command, message))
    raise SystemExit(int(status))


def _say(line: str) -> None:
    # Not sys.stderr: once the log has begun, what is written there becomes a log event.
    with contextlib.suppress(OSError):  # closed: there is nobody to tell
        os.write(2, f"{line}\n".encode(errors="replace"))
