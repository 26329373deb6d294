"""The HTTP side of the health port: which address shows what."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from klein import Klein
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from werkzeug.exceptions import HTTPException

from kproxy_tw.interfaces import ProxyStatus
from kproxy_tw.logbook import LogBook
from kproxy_tw.web import documents, health, metrics
from kproxy_tw.web.answering import (
    JSON,
    StaticFiles,
    answer,
    answer_json,
    answer_probe,
    query_of,
    wants_pretty,
)
from kproxy_tw.web.encoding import encode
from kproxy_tw.web.events import Document, EventStreams
from kproxy_tw.web.loglevel import LogLevelForm
from kproxy_tw.web.pages.source import KproxyPages
from kproxy_tw.web.pagesite import MISSING, PageSite
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.sharing import SharedState, Sharing
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.taps import Taps, as_events, as_text

T = TypeVar("T")

_DEVICE_ID = re.compile("[0-9]{1,19}", re.ASCII)


class AdminApp:
    """Pages, JSON and metrics of kproxy.

    :param status: whom to ask, at each request.
    :param renderer: makes the pages.
    :param reactor: provides the time.
    :param book: of the log.
    :param shared: what is known of exporters, for other kproxys.
    """

    app = Klein()

    def __init__(
        self,
        status: ProxyStatus,
        renderer: Renderer,
        reactor: Any,
        book: LogBook,
        shared: SharedState | None = None,
    ) -> None:
        self._sharing = Sharing(shared)
        self._status = status
        self._level = LogLevelForm(book)
        self._pages = KproxyPages(status, reactor, book, self._level.token)
        self._site = PageSite(self._pages, renderer, "kproxy")
        self._events = EventStreams(self._news, reactor)
        self._taps = Taps(status, reactor)

    def resource(self) -> IResource:
        """The root of the site."""
        root: IResource = self.app.resource()
        return root

    def in_turn(self, make: Callable[[Snapshot], T]) -> Deferred[T]:
        """Take a snapshot and call ``make`` with it in a thread, a few at a time."""
        return self._pages.in_turn(make)

    @app.route("/static/", branch=True)
    def static(self, request: IRequest) -> Resource:
        """Style sheets, scripts and images."""
        return StaticFiles()

    @app.route("/hc")
    def hc(self, request: IRequest) -> bytes:
        """The checks, with a status that load balancers understand."""
        checks = self._status.checks()
        document = documents.health(checks, self._status.daemon().now)
        return answer_json(request, document, 200 if health.is_good(checks) else 503)

    @app.route("/healthz")
    def healthz(self, request: IRequest) -> bytes:
        """Whether the daemon works or is about to."""
        checks = self._status.checks()
        return answer_probe(request, health.is_good(checks), health.failing_reasons(checks))

    @app.route("/readyz")
    def readyz(self, request: IRequest) -> bytes:
        """Whether the daemon works."""
        checks = self._status.checks()
        return answer_probe(request, health.is_ready(checks), health.failing_reasons(checks, initializing=True))

    @app.route("/admin/status")
    def admin_status(self, request: IRequest) -> bytes:
        """The process as a whole."""
        return answer_json(request, documents.status(self._status.daemon()))

    @app.route("/admin/devices")
    async def admin_devices(self, request: IRequest) -> bytes:
        """Devices and unregistered sources."""
        pretty = wants_pretty(request)

        def make(now: Snapshot) -> bytes:
            return encode(documents.devices(now.devices, now.unregistered), pretty=pretty)

        return answer(request, await self.in_turn(make), JSON)

    @app.route("/admin/devices/<device_id>")
    async def admin_device(self, request: IRequest, device_id: str) -> bytes:
        """One device."""
        device = self._status.device(int(device_id)) if _DEVICE_ID.fullmatch(device_id) else None
        if device is None:
            return answer_json(request, {"error": "no device with this id has sent flow since the start"}, 404)
        pretty = wants_pretty(request)
        body = await self.in_turn(lambda _now: encode(documents.device(device), pretty=pretty))
        return answer(request, body, JSON)

    @app.route("/admin/exporters")
    async def admin_exporters(self, request: IRequest) -> bytes:
        """What is known of exporters, for other kproxys."""
        return await self._sharing.answer(request)

    @app.route("/metrics")
    async def prometheus(self, request: IRequest) -> bytes:
        """The ledger for Prometheus."""
        return answer(request, await self.in_turn(metrics.exposition), CONTENT_TYPE_PLAIN_0_0_4)

    @app.route("/events")
    def events(self, request: IRequest) -> bytes | Deferred[None]:
        """``/admin/status`` again and again, or the live parts of ``?page=``."""
        return self._events.answer(request, query_of(request).get("page", ""))

    @app.route("/devices/<int:device_id>/tap.txt")
    def tap_text(self, request: IRequest, device_id: int) -> bytes | Deferred[None]:
        """The records of a device as they are sent, as lines of text."""
        return self._taps.answer(request, device_id, as_text)

    @app.route("/devices/<int:device_id>/tap.events")
    def tap_events(self, request: IRequest, device_id: int) -> bytes | Deferred[None]:
        """The same as server-sent events."""
        return self._taps.answer(request, device_id, as_events)

    @app.route("/log/level", methods=["POST"])
    def log_level(self, request: IRequest) -> bytes:
        """Change the level that the log is kept at."""
        return self._level.answer(request)

    @app.route("/", strict_slashes=False)
    @app.route("/<path:rest>")
    async def page(self, request: IRequest, rest: str = "") -> bytes:
        """Every page, its JSON, and its tables as CSV."""
        if rest.startswith("admin/"):
            return answer_json(request, {"error": MISSING.lower().rstrip(".")}, 404)
        return await self._site.answer(request)

    @app.handle_errors(HTTPException)
    def unknown(self, request: IRequest, failure: Failure) -> bytes:
        """No such address."""
        return self._site.missing(request)

    def _news(self, page: str) -> Callable[[], Deferred[Any]] | None:
        if page:
            return self._site.stream(page)
        return lambda: succeed(Document(encode(documents.status(self._status.daemon()))))
