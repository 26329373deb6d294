"""The HTTP side of kbgp's status port: which address shows what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from klein import Klein
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from werkzeug.exceptions import HTTPException

from kproxy_tw.addresses import plain_address
from kproxy_tw.bgp.status import KbgpStatus, SessionStatus
from kproxy_tw.errors import MalformedInput
from kproxy_tw.status import Check
from kproxy_tw.web import assets, health
from kproxy_tw.web.answering import (
    HTML,
    JSON,
    RENDER_THREADS,
    StaticFiles,
    answer,
    answer_json,
    answer_probe,
    wants_pretty,
)
from kproxy_tw.web.documents import Document, encode
from kproxy_tw.web.events import EventStream
from kproxy_tw.web.kbgp import documents, metrics
from kproxy_tw.web.pages import kbgp as kbgp_page
from kproxy_tw.web.render import Renderer

T = TypeVar("T")


class StatusSource(Protocol):
    """Whom the pages ask."""

    def hold(self) -> Callable[[], KbgpStatus]:
        """Everything at one moment, to be made in any thread."""

    def session(self, device_ip: str) -> SessionStatus | None:
        """The oldest session of an address."""

    def checks(self) -> tuple[Check, ...]:
        """The checks behind ``/hc``."""


class KbgpApp:
    """Pages, JSON and metrics of kbgp.

    :param status: whom to ask, at each request.
    :param renderer: makes the page.
    :param wall_ns: nanoseconds since 1970.
    :param reactor: provides the time.
    """

    app = Klein()

    def __init__(self, status: StatusSource, renderer: Renderer, wall_ns: Callable[[], int], reactor: Any) -> None:
        self._status = status
        self._renderer = renderer
        self._wall_ns = wall_ns
        self._turns = DeferredSemaphore(RENDER_THREADS)
        self._events = EventStream(lambda: self.in_turn(_status_document), reactor)

    def resource(self) -> IResource:
        """The root of the site."""
        root: IResource = self.app.resource()
        return root

    def in_turn(self, make: Callable[[KbgpStatus], T]) -> Deferred[T]:
        """Hold a moment and call ``make`` with it in a thread, a few at a time."""

        def work(moment: Callable[[], KbgpStatus]) -> T:
            return make(moment())

        return self._turns.run(lambda: deferToThread(work, self._status.hold()))

    @app.route("/")
    async def page(self, request: IRequest) -> bytes:
        """The page."""
        html = await self.in_turn(lambda now: self._renderer.render("kbgp.html", **kbgp_page.page_values(now)))
        return answer(request, html, HTML)

    @app.route("/static/", branch=True)
    def static(self, request: IRequest) -> Resource:
        """Style sheets and images."""
        return StaticFiles(str(assets.static()))

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
        return answer(request, await self.in_turn(metrics.exposition), CONTENT_TYPE_PLAIN_0_0_4)

    @app.route("/events")
    def events(self, request: IRequest) -> bytes | Deferred[None]:
        """``/admin/status``, again and again."""
        return self._events.answer(request)

    @app.handle_errors(HTTPException)
    def unknown(self, request: IRequest, failure: Failure) -> bytes:
        """No such address."""
        if request.path.startswith(b"/admin/"):
            return answer_json(request, {"error": "there is nothing at this address"}, 404)
        text = "There is nothing at this address."
        return answer(request, self._renderer.render("missing.html", text=text), HTML, 404)

    def _find(self, address: str) -> SessionStatus | None:
        try:
            return self._status.session(plain_address(address))
        except MalformedInput:
            return None

    async def _document(self, request: IRequest, make: Callable[[KbgpStatus], Document]) -> bytes:
        pretty = wants_pretty(request)
        return answer(request, await self.in_turn(lambda now: encode(make(now), pretty=pretty)), JSON)


def _status_document(now: KbgpStatus) -> bytes:
    return encode(documents.status(now), pretty=False)
