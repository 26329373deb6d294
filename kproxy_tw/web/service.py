"""The health port as a service."""

from __future__ import annotations

import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

import attrs

from kproxy_tw.interfaces import ProxyStatus
from kproxy_tw.logbook import LogBook
from kproxy_tw.status import shown_address
from kproxy_tw.web.app import KproxyAnswers
from kproxy_tw.web.loglevel import FORMS, LogLevelForm
from kproxy_tw.web.protocol import HealthFactory
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.report import text_report
from kproxy_tw.web.sharing import SharedState
from kproxy_tw.web.site import HostPolicy, SiteLimits, build_site
from kproxy_tw.web.statusport.app import StatusApp

log = Logger()


@attrs.frozen
class WebConfig:
    """Where the health port listens.

    :ivar interface: address to bind (``-healthcheck``).
    :ivar port: TCP port: the flow port + 1; 0 takes any free one.
    :ivar hosts: further ``Host`` headers that are ours, ``name`` or ``name:port``.
    """

    interface: str = "127.0.0.1"
    port: int = 9996
    hosts: tuple[str, ...] = ()


class HealthService(Service):
    """Text report, JSON, metrics and pages on one TCP port.

    :param reactor: listens and provides the time.
    :param config: where to listen.
    :param status: whom to ask.
    :param renderer: makes the pages; by default of our own templates.
    :param book: of the log.
    :param shared: what is known of exporters, for other kproxys.
    :param inherited: a socket that listens already, in place of ``config``'s address.
    """

    def __init__(
        self,
        reactor: Any,
        config: WebConfig,
        status: ProxyStatus,
        renderer: Renderer | None = None,
        inherited: socket.socket | None = None,
        book: LogBook | None = None,
        shared: SharedState | None = None,
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._inherited = inherited
        if inherited is not None:
            self._config = attrs.evolve(config, interface=inherited.getsockname()[0], port=inherited.getsockname()[1])
        book = book or LogBook("info")
        level = LogLevelForm(book)
        self._answers = KproxyAnswers(status, reactor, book, level.token, shared)
        self._app = StatusApp(self._answers, level, renderer or Renderer(), reactor)
        self._factory: HealthFactory | None = None
        self._port: IListeningPort | None = None

    def startService(self) -> None:
        """Listen.

        :raises twisted.internet.error.CannotListenError: the port is in use or not ours to bind.
        """
        limits = SiteLimits(hosts=HostPolicy(self._config.interface, self._config.hosts), forms=FORMS)
        site = build_site(self._app.resource(), limits, self._reactor)
        factory = HealthFactory(
            lambda: self._answers.pages.in_turn(text_report), site, 2 * limits.connections, self._reactor
        )
        self._port = self._listen(factory)
        self._factory = factory
        super().startService()
        log.info("page and health port on http://{host}/", host=shown_address(self._config.interface, self.port))
        if limits.hosts.is_open():
            log.warn(
                "the health port listens on {interface}: everybody who reaches it can read the pages",
                interface=self._config.interface,
            )

    def _listen(self, factory: HealthFactory) -> IListeningPort:
        if self._inherited is None:
            port: IListeningPort = self._reactor.listenTCP(self._config.port, factory, interface=self._config.interface)
            return port
        self._inherited.setblocking(False)
        port = self._reactor.adoptStreamPort(self._inherited.fileno(), self._inherited.family, factory)
        self._inherited.close()  # the port has a duplicate
        return port

    def stopService(self) -> Deferred[None]:
        """Stop listening and cut every connection; fires when the port is free."""
        super().stopService()
        port, self._port = self._port, None
        if self._factory is not None:
            self._factory.close_connections()
            self._factory = None
        return maybeDeferred(port.stopListening).addCallback(lambda _: None) if port else maybeDeferred(lambda: None)

    @property
    def port(self) -> int:
        """The TCP port that is listened on, 0 when the service does not run."""
        host: Any = self._port.getHost() if self._port else None
        return int(host.port) if host else 0
