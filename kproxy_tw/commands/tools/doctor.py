"""``kproxy doctor``: what keeps kproxy from working here, a line each with what to do."""

from __future__ import annotations

from collections.abc import Sequence

from kproxy_tw.commands.exits import Exit, fail_start
from kproxy_tw.commands.flags import Flag, State
from kproxy_tw.commands.reactors import asyncio_reactor
from kproxy_tw.commands.tools.daemon_flags import daemon_options
from kproxy_tw.errors import ConfigError

JSON = Flag("json", "bool", "print one JSON object a line", state=State.WORKS)


def main(command: str, arguments: Sequence[str]) -> Exit:
    """Run it: 0 when nothing fails; warnings do not count.

    :raises SystemExit: the configuration cannot work (78), or the command line is bad (2); the line is written.
    """
    description = (
        "Look at all that kproxy needs, and say what is wrong and what to do; exit status 1 if anything fails."
    )
    options = daemon_options(command, "doctor", description, arguments, JSON)
    reactor = asyncio_reactor()
    # Only now: these import klein, which would install a reactor of its own.
    from kproxy_tw.commands.tools.diagnosis.examination import Report, examine

    report = Report(as_json=bool(options["json"]))
    try:
        examine(options, report, reactor)
    except ConfigError as problem:
        fail_start(f"{command} doctor", Exit.BAD_CONFIGURATION, str(problem))
    report.close()
    return Exit.FAILED if report.counts["fail"] else Exit.OK
