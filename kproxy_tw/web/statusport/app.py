"""The HTTP side of a status port: probes, status, metrics, events, pages. What they say is each daemon's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from werkzeug.exceptions import HTTPException

from kproxy_tw.status import Check
from kproxy_tw.web import health
from kproxy_tw.web.answering import (
    JSON,
    StaticFiles,
    answer,
    answer_json,
    answer_probe,
    query_of,
    wants_pretty,
)
from kproxy_tw.web.encoding import Document
from kproxy_tw.web.events import Document as DocumentEvent
from kproxy_tw.web.events import EventStreams
from kproxy_tw.web.loglevel import LogLevelForm
from kproxy_tw.web.pagesite import MISSING, PageSite, PageSource
from kproxy_tw.web.render import Renderer

Handler = Callable[..., Any]


class OwnAnswers(Protocol):
    """What a daemon says on its status port. ``brand``: its name."""

    brand: str

    @property
    def pages(self) -> PageSource:
        """Its pages."""

    def checks(self) -> Sequence[Check]:
        """The checks behind the probes."""

    def health(self, checks: Sequence[Check]) -> Document:
        """``/hc``."""

    def status(self, *, pretty: bool) -> Deferred[bytes]:
        """``/admin/status``."""

    def metrics(self) -> Deferred[bytes]:
        """``/metrics``, in the Prometheus text format."""

    def details(self) -> Mapping[str, Handler]:
        """Further addresses, and who answers them."""


class StatusApp:
    """Which address of a status port shows what.

    :param level: the form that changes the log's level.
    :param renderer: makes the pages.
    :param reactor: provides the time.
    """

    def __init__(self, own: OwnAnswers, level: LogLevelForm, renderer: Renderer, reactor: Any) -> None:
        self._own = own
        self._level = level
        self._site = PageSite(own.pages, renderer, own.brand)
        self._events = EventStreams(self._news, reactor)

    def resource(self) -> IResource:
        """The root of the site."""
        app = Klein()
        app.route("/static/", branch=True)(self._static)
        for rule, handler in {**self._common(), **self._own.details()}.items():
            app.route(rule)(handler)
        app.route("/log/level", methods=["POST"])(self._level.answer)
        for rule in ("/", "/<path:rest>"):
            app.route(rule, endpoint=f"page {rule}", strict_slashes=False)(self._page)
        app.handle_errors(HTTPException)(self._unknown)
        root: IResource = app.resource()
        return root

    def _common(self) -> Mapping[str, Handler]:
        return {
            "/hc": self._hc,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/admin/status": self._status,
            "/metrics": self._metrics,
            "/events": self._watch,
        }

    def _static(self, _request: IRequest) -> Resource:
        return StaticFiles()

    def _hc(self, request: IRequest) -> bytes:
        """The checks, with a status that load balancers understand."""
        checks = self._own.checks()
        return answer_json(request, self._own.health(checks), 200 if health.is_good(checks) else 503)

    def _healthz(self, request: IRequest) -> bytes:
        """Whether the daemon works or is about to."""
        checks = self._own.checks()
        return answer_probe(request, health.is_good(checks), health.failing_reasons(checks))

    def _readyz(self, request: IRequest) -> bytes:
        """Whether the daemon works."""
        checks = self._own.checks()
        return answer_probe(request, health.is_ready(checks), health.failing_reasons(checks, initializing=True))

    async def _status(self, request: IRequest) -> bytes:
        return answer(request, await self._own.status(pretty=wants_pretty(request)), JSON)

    async def _metrics(self, request: IRequest) -> bytes:
        return answer(request, await self._own.metrics(), CONTENT_TYPE_PLAIN_0_0_4)

    def _watch(self, request: IRequest) -> bytes | Deferred[None]:
        """``/admin/status`` again and again, or the live parts of ``?page=``."""
        return self._events.answer(request, query_of(request).get("page", ""))

    async def _page(self, request: IRequest, rest: str = "") -> bytes:
        """Every page, its JSON, and its tables as CSV."""
        if rest.startswith("admin/"):
            return answer_json(request, {"error": MISSING.lower().rstrip(".")}, 404)
        return await self._site.answer(request)

    def _unknown(self, request: Any, failure: Failure) -> bytes:
        return self._site.missing(request)

    def _news(self, page: str) -> Callable[[], Deferred[Any]] | None:
        if page:
            return self._site.stream(page)
        return lambda: self._own.status(pretty=False).addCallback(DocumentEvent)
