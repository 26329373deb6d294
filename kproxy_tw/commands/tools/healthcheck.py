"""``kproxy healthcheck``: asks the daemon's own status port whether it works, for containers and scripts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from http import HTTPStatus

from kproxy_tw.commands.exits import Exit, fail_start, failure_line
from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.tools.client import NoAnswer
from kproxy_tw.commands.tools.daemon_flags import daemon_options
from kproxy_tw.commands.tools.status_port import URL, status_port
from kproxy_tw.errors import ConfigError

READY = Flag("ready", "bool", "ask whether it works now; else one that is about to counts as well", state=State.WORKS)
TIMEOUT = Flag(
    "timeout", "float", "longest wait for an answer, in seconds", 5.0, State.WORKS, metavar="SECONDS", low=0, high=300
)


def main(command: str, arguments: Sequence[str]) -> Exit:
    """Run it: 0 when the daemon is well, else 1 and a line with the reason.

    :raises SystemExit: a setting (78) or the command line (2) is bad; the line is written.
    """
    description = f"Ask a running {command} whether it is well: exit status 0, or 1 and the reason."
    options = daemon_options(command, "healthcheck", description, arguments, URL, READY, TIMEOUT)
    try:
        port = status_port(options)
        status, body = port.get("/readyz" if options["ready"] else "/healthz", max(0.1, options["timeout"]))
    except ConfigError as problem:
        fail_start(f"{command} healthcheck", Exit.BAD_CONFIGURATION, str(problem))
    except NoAnswer as problem:
        return _ill(command, str(problem))
    if status != HTTPStatus.OK:
        return _ill(command, body[:1000].decode("utf-8", "replace"))
    sys.stdout.write("ok\n")
    return Exit.OK


def _ill(command: str, reason: str) -> Exit:
    sys.stderr.write(failure_line(command, reason) + "\n")
    return Exit.FAILED
