"""The HTTP side of kbgp's status port: which address shows what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from werkzeug.exceptions import HTTPException

from kproxy_tw.addresses import plain_address
from kproxy_tw.bgp.status import KbgpStatus, SessionStatus
from kproxy_tw.errors import MalformedInput
from kproxy_tw.logbook import LogBook
from kproxy_tw.web import events, health
from kproxy_tw.web.answering import (
    JSON,
    StaticFiles,
    answer,
    answer_json,
    answer_probe,
    query_of,
    wants_pretty,
)
from kproxy_tw.web.encoding import Document, encode
from kproxy_tw.web.events import EventStreams
from kproxy_tw.web.kbgp import documents, metrics
from kproxy_tw.web.kbgp.source import KbgpPages, StatusSource
from kproxy_tw.web.loglevel import LogLevelForm
from kproxy_tw.web.pagesite import MISSING, PageSite
from kproxy_tw.web.render import Renderer


class KbgpApp:
    """Pages, JSON and metrics of kbgp.

    :param status: whom to ask, at each request.
    :param renderer: makes the pages.
    :param wall_ns: nanoseconds since 1970.
    :param reactor: provides the time.
    :param book: of the log.
    """

    app = Klein()

    def __init__(
        self,
        status: StatusSource,
        renderer: Renderer,
        wall_ns: Callable[[], int],
        reactor: Any,
        book: LogBook,
    ) -> None:
        self._status = status
        self._wall_ns = wall_ns
        self._level = LogLevelForm(book)
        self._pages = KbgpPages(status, book, self._level.token)
        self._site = PageSite(self._pages, renderer, "kbgp")
        self._events = EventStreams(self._news, reactor)

    def resource(self) -> IResource:
        """The root of the site."""
        root: IResource = self.app.resource()
        return root

    @app.route("/static/", branch=True)
    def static(self, request: IRequest) -> Resource:
        """Style sheets, scripts and images."""
        return StaticFiles()

    @app.route("/hc")
    def hc(self, request: IRequest) -> bytes:
        """The overall status, with an HTTP status that load balancers understand."""
        checks = self._status.checks()
        document = documents.health(checks, self._wall_ns())
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
    async def admin_status(self, request: IRequest) -> bytes:
        """The agent."""
        return await self._document(request, documents.status)

    @app.route("/admin/sessions")
    async def admin_sessions(self, request: IRequest) -> bytes:
        """All sessions."""
        return await self._document(request, documents.sessions)

    @app.route("/admin/sessions/<address>")
    def admin_session(self, request: IRequest, address: str) -> bytes:
        """One session, the oldest one of its address."""
        found = self._find(address)
        if found is None:
            return answer_json(request, {"error": "no session of this address"}, 404)
        return answer_json(request, documents.session(found))

    @app.route("/metrics")
    async def prometheus(self, request: IRequest) -> bytes:
        """The counts for Prometheus."""
        return answer(request, await self._pages.in_turn(metrics.exposition), CONTENT_TYPE_PLAIN_0_0_4)

    @app.route("/events")
    def events(self, request: IRequest) -> bytes | Deferred[None]:
        """``/admin/status`` again and again, or the live parts of ``?page=``."""
        return self._events.answer(request, query_of(request).get("page", ""))

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
        return lambda: self._pages.in_turn(lambda now: events.Document(encode(documents.status(now))))

    def _find(self, address: str) -> SessionStatus | None:
        try:
            return self._status.session(plain_address(address))
        except MalformedInput:
            return None

    async def _document(self, request: IRequest, make: Callable[[KbgpStatus], Document]) -> bytes:
        pretty = wants_pretty(request)
        return answer(request, await self._pages.in_turn(lambda now: encode(make(now), pretty=pretty)), JSON)
