"""kbgp's parts, made and connected: routers on one side, the backend on the other."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.application.service import IService

import attrs
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from kproxy_tw import __version__
from kproxy_tw.bgp.admission import Admission
from kproxy_tw.bgp.client import GrpcBackend
from kproxy_tw.bgp.config import EdgeConfig
from kproxy_tw.bgp.listener.service import BgpListeners
from kproxy_tw.bgp.lookup.service import LookupService
from kproxy_tw.bgp.md5.config import Md5Config
from kproxy_tw.bgp.md5.service import Md5Service
from kproxy_tw.bgp.metadata import Caller
from kproxy_tw.bgp.overview import KbgpOverview
from kproxy_tw.bgp.protocol import RouterFactory
from kproxy_tw.bgp.service import EdgeService
from kproxy_tw.bgp.status import KbgpSettings, KbgpStatus
from kproxy_tw.bgp.upstream.config import BackendConfig
from kproxy_tw.export.client import PostClient
from kproxy_tw.export.lines import WaitingLines
from kproxy_tw.export.service import ExportService, daemon_thread
from kproxy_tw.logbook import LogBook
from kproxy_tw.ordered.service import OrderedServices
from kproxy_tw.upstream.credentials import Credentials
from kproxy_tw.web.kbgp.metrics import exposition
from kproxy_tw.web.kbgp.service import StatusPort, StatusPortConfig

LOG_EXPORT_SECONDS = 10.0
METRICS_EXPORT_SECONDS = 60.0


@attrs.frozen(kw_only=True)
class ExportConfig:
    """Where something is exported to.

    :ivar url: empty for nowhere.
    :ivar proxy: ``http://[user:password@]host:port`` of a web proxy that leads there; empty for none.
    """

    url: str = ""
    proxy: str = attrs.field(default="", repr=False)


@attrs.frozen(kw_only=True)
class KbgpConfig:
    """What kbgp is told; each part has its own configuration.

    :ivar md5: ``None`` without support for TCP MD5.
    :ivar log_lines: what the log puts into it is exported; ``None`` for no export.
    """

    credentials: Credentials
    settings: KbgpSettings
    backend: BackendConfig = attrs.Factory(BackendConfig)
    edge: EdgeConfig = attrs.Factory(EdgeConfig)
    md5: Md5Config | None = None
    web: StatusPortConfig = attrs.Factory(StatusPortConfig)
    logs: ExportConfig = attrs.Factory(ExportConfig)
    metrics: ExportConfig = attrs.Factory(ExportConfig)
    log_lines: WaitingLines | None = None


@attrs.frozen
class MetricsBatch:
    """Metrics of one moment for one post; fits ``export.service.Batch``."""

    moment: Callable[[], KbgpStatus]

    def body(self) -> bytes:
        """See ``export.service.Batch``."""
        return exposition(self.moment())

    def put_back(self) -> None:
        """They are old by now."""


class KbgpAssembly:
    """The parts of one kbgp. Construction opens nothing.

    :param book: of the log, for the page.
    :raises ConfigError: a file that the configuration names cannot be used.
    """

    def __init__(self, config: KbgpConfig, reactor: Any, book: LogBook | None = None) -> None:
        self._config = config
        self._reactor = reactor
        self._instance = str(uuid.uuid4())
        self._start_ns = time.time_ns()
        self.backend = GrpcBackend(reactor=reactor, config=config.backend, caller=self._caller())
        admission = Admission()
        self.lookups = LookupService(reactor=reactor, backend=self.backend, admission=admission)
        self.signatures = self._signatures()
        self.edge = EdgeService(
            reactor=reactor,
            config=config.edge,
            backend=self.backend,
            lookups=self.lookups,
            admission=admission,
            signatures=self.signatures,
            wall_ns=time.time_ns,
        )
        factory = RouterFactory(
            self.edge.accepted, reactor=reactor, proxies=config.edge.proxies, no_header=self.edge.header_missing
        )
        self.listeners = BgpListeners(reactor=reactor, addresses=config.edge.listen, factory=factory)
        self.exports = self._exports()
        self.overview = self._overview()
        self.status = StatusPort(
            reactor=reactor, config=config.web, status=self.overview, wall_ns=time.time_ns, book=book
        )

    def service(self) -> IService:
        """The daemon. It starts from the backend's side to the routers', and stops the other way round."""
        root = OrderedServices()
        parts = [self.status, *self.exports, self.backend, self.lookups, self.edge, self.listeners]
        for part in parts if self.signatures is None else [*parts, self.signatures]:
            part.setServiceParent(root)
        return root

    def _caller(self) -> Caller:
        config = self._config
        return Caller(
            email=config.credentials.email,
            token=config.credentials.token,
            version=__version__,
            instance=self._instance,
            site_id=config.settings.site_id,
        )

    def _signatures(self) -> Md5Service | None:
        if self._config.md5 is None:
            return None
        return Md5Service(
            reactor=self._reactor,
            backend=self.lookups,
            config=self._config.md5,
            listeners=lambda: self.listeners.sockets(),
        )

    def _exports(self) -> list[ExportService]:
        exports = []
        lines, config = self._config.log_lines, self._config
        if config.logs.url and lines is not None:
            exports.append(
                self._export(
                    config.logs,
                    kind="logs",
                    content_type="application/x-ndjson",
                    every=LOG_EXPORT_SECONDS,
                    take=lines.take,
                    dropped=lambda: lines.dropped,
                )
            )
        if config.metrics.url:
            take = partial(_metrics, lambda: self.overview)
            every, kind = METRICS_EXPORT_SECONDS, "metrics"
            exports.append(
                self._export(config.metrics, kind=kind, content_type=CONTENT_TYPE_PLAIN_0_0_4, every=every, take=take)
            )
        return exports

    def _export(self, config: ExportConfig, **kind: Any) -> ExportService:
        headers = {
            **self._config.credentials.headers(),
            "User-Agent": f"kbgp/{__version__}",
            "X-Instance": self._instance,
        }
        return ExportService(
            reactor=self._reactor,
            offload=daemon_thread(self._reactor),
            client=PostClient(config.url, proxy=config.proxy, headers=headers),
            url=config.url,
            **kind,
        )

    def _overview(self) -> KbgpOverview:
        return KbgpOverview(
            instance_id=self._instance,
            settings=self._config.settings,
            clock=self._reactor,
            wall_ns=time.time_ns,
            start_ns=self._start_ns,
            backend=self.backend,
            edge=self.edge,
            signatures=None if self.signatures is None else self.signatures.status,
            exports=[export.status for export in self.exports],
        )


def _metrics(overview: Callable[[], KbgpOverview]) -> MetricsBatch:
    return MetricsBatch(overview().hold())
