"""``kproxy`` for twistd: its options, and its service."""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import IService

from kproxy_tw.commands.flags_kproxy import KPROXY_FLAGS
from kproxy_tw.commands.freed_memory import keep_freed_memory
from kproxy_tw.commands.metric_lines import metric_lines
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.startup import command_service, log_book
from kproxy_tw.commands.writers import LogWriters
from kproxy_tw.errors import ConfigError
from kproxy_tw.kflow.bounds import MAX_MESSAGE_FLOWS
from kproxy_tw.listen.activation import inherited_sockets
from kproxy_tw.snmp.config import Comparison


class Options(CommandOptions):
    """The command line of ``kproxy``."""

    command = "kproxy"
    flags = KPROXY_FLAGS

    def postOptions(self) -> None:
        """Check what cannot work.

        :raises ConfigError: a value that this release does not do yet.
        """
        super().postOptions()
        if self["type"] not in ("proxy", "snmp_check"):
            raise ConfigError("type", f"{self['type']} is not implemented yet; only proxy and snmp_check are")

    def warnings(self) -> list[str]:
        """Give the lines of all commands, and one when nobody outside can reach us."""
        lines = super().warnings()
        if self.origin("host") == "default":
            lines.append(
                f"-host is missing: flow is taken on {self['host']} only, where no router outside this machine can "
                "reach it; give an address of this machine, or all of them: -host=0.0.0.0"
            )
        if self["max"] > MAX_MESSAGE_FLOWS:
            lines.append(f"-max is larger than what one message a second can hold: {MAX_MESSAGE_FLOWS} is in force")
        given = self["interface_metadata_comparison"]
        if given and given not in tuple(Comparison):
            lines.append(f"-interface_metadata_comparison={given} is not known; full is in force")
        if self["snmp_ip"]:
            lines.append("-snmp_ip has an effect with -test_snmp or -type=snmp_check only")
        return lines


def makeService(options: Options) -> IService:
    """Make the service of ``kproxy``. :raises SystemExit: only a check was asked for, and is done."""
    if options["test_snmp"] or options["type"] == "snmp_check":
        from kproxy_tw.commands.snmp_check import check_and_leave

        check_and_leave(options)
    keep_freed_memory()
    writers = LogWriters()
    book = log_book(options, [options["api_token"]])

    def build(reactor: Any) -> IService:
        # First of all: Twisted's endpoints, once imported, take the variables out of the environment.
        inherited = inherited_sockets(os.environ)
        from kproxy_tw.assembly import kproxy_service
        from kproxy_tw.commands.configuration import kproxy_config

        config = kproxy_config(options)
        metric_line = metric_lines(options.command, config.metrics.kind, writers)
        return kproxy_service(config, reactor, writers.lost, inherited, metric_line, book)

    return command_service(options, build, writers=writers, book=book)
