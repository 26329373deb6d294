"""A daemon with the machinery of ours and a service that misbehaves on request; run by the process tests.

``python sample_daemon.py [twistd's options] sample [kproxy's flags]``; ``SAMPLE_TROUBLE`` names the trouble.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.application.service import IService, Service, ServiceMaker
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.scripts import twistd

from kproxy_tw.commands.flags_kproxy import KPROXY_FLAGS
from kproxy_tw.commands.options import CommandOptions
from kproxy_tw.commands.run import ScriptOptions
from kproxy_tw.commands.startup import command_service
from kproxy_tw.errors import ConfigError

log = Logger(namespace="kproxy_tw.sample")


class Options(CommandOptions):
    """The flags of kproxy under another name."""

    command = "sample"
    flags = KPROXY_FLAGS


class Sample(Service):
    """Listens on ``-port``; says when it has started and when it has drained."""

    def __init__(self, reactor: Any, port: int, trouble: str) -> None:
        self._reactor = reactor
        self._port = port
        self._trouble = trouble
        self._listening: IListeningPort | None = None

    def startService(self) -> None:
        """Open the port, or fail in the way that was asked for."""
        super().startService()
        if self._trouble == "late configuration":
            raise ConfigError("tls_ca_file", "cannot be read")
        if self._trouble == "bug":
            raise ZeroDivisionError("1/0")
        self._listening = self._reactor.listenTCP(self._port, Factory.forProtocol(Protocol), interface="127.0.0.1")
        log.debug("looked at closely")
        log.info("started")
        os.write(2, b"running\n")

    def stopService(self) -> Deferred[None]:
        """Take a moment, as draining does; fires when it is over."""
        super().stopService()
        drained: Deferred[None] = Deferred()
        self._reactor.callLater(0.2, drained.callback, None)
        return drained.addCallback(lambda _: log.info("drained"))


def makeService(options: Options) -> IService:
    """Make the service, as twistd asks for it."""

    def build(reactor: Any) -> IService:
        trouble = os.environ.get("SAMPLE_TROUBLE", "")
        if trouble == "configuration":
            raise ConfigError("api_token", "is missing")
        return Sample(reactor, options["port"], trouble)

    return command_service(options, build)


if __name__ == "__main__":
    # twistd imports makeService from the module by name; under this one it is the same class.
    sys.modules["sample_daemon"] = sys.modules[__name__]
    twistd_options = ScriptOptions(ServiceMaker("sample", "sample_daemon", "", "sample"))
    twistd_options.parseOptions(sys.argv[1:])
    twistd.runApp(twistd_options)
