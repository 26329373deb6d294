"""``kbgp`` for twistd: its options, and its service."""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import IService
from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from kproxy_tw.commands.flags_kbgp import KBGP_FLAGS
from kproxy_tw.commands.grpc_polling import poll_directly
from kproxy_tw.commands.logs import EventText
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.startup import command_service, log_book
from kproxy_tw.commands.structured_logs import StructuredLog
from kproxy_tw.export.lines import WaitingLines
from kproxy_tw.redaction import Redaction


class Options(CommandOptions):
    """The command line of ``kbgp``."""

    command = "kbgp"
    flags = KBGP_FLAGS

    def structured_log(self) -> StructuredLog:
        """What makes lines, without the token of this command line."""
        return StructuredLog(Redaction([self["token"] or ""]))

    def event_text(self) -> EventText:
        """JSON for machines, or what people asked for."""
        log = self.structured_log()
        return log.human if self["human_logs"] else log.machine

    def warnings(self) -> list[str]:
        """Give the lines of all commands, and those about what others may see."""
        lines = super().warnings()
        if self["insecure"]:
            lines.append(f"--insecure: the token and all routes go to {self['target']} WITHOUT ENCRYPTION")
        return lines


@implementer(ILogObserver)
class ExportedLog:
    """Puts what the log shows into the queue of the export, as JSON."""

    def __init__(self, text: EventText, lines: WaitingLines) -> None:
        self._text = text
        self._lines = lines

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        line = self._text(event) if self._lines.wanted else None
        if line:
            self._lines.add(line.rstrip("\n").encode())


def makeService(options: Options) -> IService:
    """Make the service of ``kbgp``."""
    lines = WaitingLines()
    book = log_book(options, [options["token"]])

    def build(reactor: Any) -> IService:
        poll_directly(os.environ)
        from kproxy_tw.bgp.assembly import KbgpAssembly
        from kproxy_tw.commands.configuration_kbgp import kbgp_config

        config = kbgp_config(options, os.environ, lines)
        lines.wanted = bool(config.logs.url)
        return KbgpAssembly(config, reactor, book).service()

    export = ExportedLog(options.structured_log().machine, lines)
    return command_service(options, build, also_log_to=export, book=book)
