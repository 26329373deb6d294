"""How a daemon tells the shell that it runs, or in one line why it does not.

twistd's own report of a daemon that failed to start is cut to 100 bytes, asks to look into a log file, and ends with
status 1 whatever the reason. So the process that the shell waits for stays behind here, before twistd turns its
child into a daemon, and ends with what the daemon reports through a pipe.
"""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import NoReturn

from kproxy_tw.commands.exits import Exit

#: Longest report; it fits into a pipe in one piece.
MAX_REPORT = 1024

#: The shell's process waits for no longer until a daemon that did not start has cleaned up.
CLEAN_UP_SECONDS = 10.0


class StartReport:
    """The daemon's end of the pipe; the first report counts.

    :param descriptor: a writable descriptor, owned by this object.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._told = False

    def started(self) -> None:
        """Let the shell's process end with status 0."""
        if self._tell(Exit.OK, ""):
            os.close(self._descriptor)

    def failed(self, status: int, line: str) -> None:
        """Let the shell's process write ``line`` to stderr, and end with ``status`` once this process is gone."""
        self._tell(status, line)

    def _tell(self, status: int, line: str) -> bool:
        """:return: whether this is the first report."""
        if self._told:
            return False
        self._told = True
        # Where nobody waits any more, the daemon runs all the same.
        with suppress(BrokenPipeError):
            os.write(self._descriptor, f"{status:d} {line}".encode(errors="replace")[:MAX_REPORT])
        return True


def leave_shell_behind() -> StartReport:
    """Fork; return in the child only.

    The parent never returns: it ends with the status that the child, or its daemon, reports.
    """
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        _end_as_reported(reading)
    os.close(reading)
    # twistd writes its own report to sys.__stderr__; tracebacks of bugs go to sys.stderr and are still seen.
    sys.__stderr__ = open(os.devnull, "w")  # type: ignore[misc]  # noqa: SIM115
    return StartReport(writing)


def _end_as_reported(descriptor: int) -> NoReturn:
    # One read: a report is written in one piece, and twistd's own waiting process holds the pipe open as well.
    status, _, line = os.read(descriptor, MAX_REPORT).decode(errors="replace").partition(" ")
    if line:
        os.write(2, f"{line}\n".encode(errors="replace"))
        # Nothing else is written: the pipe can be read when it ends, with the daemon and its pid file.
        select.select([descriptor], [], [], CLEAN_UP_SECONDS)
    # Nothing reported: the child ended by itself and has said why.
    os._exit(int(status or Exit.FAILED))
