"""kbgp's status port as a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

import attrs

from kproxy_tw.logbook import LogBook
from kproxy_tw.status import shown_address
from kproxy_tw.web.kbgp.app import KbgpAnswers
from kproxy_tw.web.kbgp.source import StatusSource
from kproxy_tw.web.loglevel import FORMS, LogLevelForm
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.site import GuardedSite, HostPolicy, SiteLimits, build_site
from kproxy_tw.web.statusport.app import StatusApp


@attrs.frozen
class StatusPortConfig:
    """Where the status port listens.

    :ivar interface: address to bind (``--metrics-addr``).
    :ivar port: TCP port (``--metrics-port``); 0 takes any free one.
    """

    interface: str = "127.0.0.1"
    port: int = 20920


class StatusPort(Service):
    """JSON, metrics and the page on one TCP port.

    :param reactor: listens and provides the time.
    :param status: whom to ask.
    :param wall_ns: nanoseconds since 1970.
    :param book: of the log.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        config: StatusPortConfig,
        status: StatusSource,
        wall_ns: Callable[[], int],
        book: LogBook | None = None,
    ) -> None:
        self._reactor = reactor
        self._config = config
        book = book or LogBook("info")
        level = LogLevelForm(book)
        self._app = StatusApp(KbgpAnswers(status, wall_ns, book, level.token), level, Renderer(), reactor)
        self._site: GuardedSite | None = None
        self._listening: IListeningPort | None = None

    @property
    def port(self) -> int:
        """The port that it listens on; 0 when it does not."""
        address: Any = self._listening.getHost() if self._listening else None
        return int(address.port) if address else 0

    def startService(self) -> None:
        """Listen.

        :raises twisted.internet.error.CannotListenError: the port is in use or not ours to bind.
        """
        config = self._config
        hosts = HostPolicy(config.interface)
        self._site = build_site(self._app.resource(), SiteLimits(hosts=hosts, forms=FORMS), self._reactor)
        self._listening = self._reactor.listenTCP(config.port, self._site, interface=config.interface)
        super().startService()
        self.log.info("page and status port on http://{host}/", host=shown_address(config.interface, self.port))
        if hosts.is_open():
            self.log.warn(
                "the status port listens on {interface}: everybody who reaches it can read the page",
                interface=config.interface,
            )

    def stopService(self) -> Deferred[None]:
        """Stop listening and cut every connection; fires when the port is free."""
        super().stopService()
        listening, self._listening = self._listening, None
        if self._site is not None:
            self._site.close_connections()
        stopped: Deferred[None] | None = listening.stopListening() if listening else None
        return stopped or succeed(None)
