"""``kproxy`` for twistd: its options, and its service."""

from __future__ import annotations

import gc
import os
from typing import Any

from twisted.application.service import IService

from kproxy_tw.commands.flags_kproxy import KPROXY_FLAGS
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.startup import command_service, log_book
from kproxy_tw.commands.writers import LogWriters
from kproxy_tw.errors import ConfigError
from kproxy_tw.kflow.bounds import MAX_MESSAGE_FLOWS
from kproxy_tw.listen.activation import inherited_sockets

COLLECTION_THRESHOLDS = (100_000, 50, 1000)
"""For Python's cycle collector. A busy second leaves tens of thousands of record sets waiting, none of them in a
cycle; at the usual thresholds looking through them again and again took a fifth of the receive path's time."""


class Options(CommandOptions):
    """The command line of ``kproxy``."""

    command = "kproxy"
    flags = KPROXY_FLAGS

    def postOptions(self) -> None:
        """Check what cannot work.

        :raises ConfigError: a value that this release does not do yet.
        """
        super().postOptions()
        if self["type"] != "proxy":
            raise ConfigError("type", f"{self['type']} is not implemented yet; only proxy is")

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
        return lines


def makeService(options: Options) -> IService:
    """Make the service of ``kproxy``."""
    writers = LogWriters()
    book = log_book(options, [options["api_token"]])

    def build(reactor: Any) -> IService:
        # First of all: Twisted's endpoints, once imported, take the variables out of the environment.
        inherited = inherited_sockets(os.environ)
        from kproxy_tw.assembly import kproxy_service
        from kproxy_tw.commands.configuration import kproxy_config

        service = kproxy_service(kproxy_config(options), reactor, writers.lost, inherited, book)
        gc.freeze()
        gc.set_threshold(*COLLECTION_THRESHOLDS)
        return service

    return command_service(options, build, writers=writers, book=book)
