"""The HTTP side of the health port: which address shows what."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from klein import Klein
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from werkzeug.exceptions import HTTPException

from kproxy_tw.interfaces import ProxyStatus
from kproxy_tw.web import assets, documents, health, metrics
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
from kproxy_tw.web.events import EventStream
from kproxy_tw.web.pages import device as device_page
from kproxy_tw.web.pages import kproxy as kproxy_page
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.snapshot import Snapshot, copied, take

T = TypeVar("T")

_DEVICE_ID = re.compile("[0-9]{1,19}", re.ASCII)


class AdminApp:
    """Pages, JSON and metrics of kproxy.

    :param status: whom to ask, at each request.
    :param renderer: makes the pages.
    :param reactor: provides the time.
    """

    app = Klein()

    def __init__(self, status: ProxyStatus, renderer: Renderer, reactor: Any) -> None:
        self._status = status
        self._renderer = renderer
        self._turns = DeferredSemaphore(RENDER_THREADS)
        self._events = EventStream(lambda: self.in_turn(_status_document), reactor)

    def resource(self) -> IResource:
        """The root of the site."""
        root: IResource = self.app.resource()
        return root

    def in_turn(self, make: Callable[[Snapshot], T]) -> Deferred[T]:
        """Take a snapshot and call ``make`` with it in a thread, a few at a time."""
        return self._turns.run(lambda: deferToThread(make, take(self._status)))

    @app.route("/")
    async def page(self, request: IRequest) -> bytes:
        """The first page."""
        html = await self.in_turn(lambda now: self._renderer.render("kproxy.html", **kproxy_page.page_values(now)))
        return answer(request, html, HTML)

    @app.route("/devices/<int:device_id>")
    async def device_page(self, request: IRequest, device_id: int) -> bytes:
        """The page of one device."""
        device = self._status.device(device_id)
        if device is None:
            return self._missing(request, f"No device {device_id} has sent flow since the start.")
        device = copied(device)
        html = await self.in_turn(
            lambda now: self._renderer.render("device.html", **device_page.page_values(now.daemon, device))
        )
        return answer(request, html, HTML)

    @app.route("/static/", branch=True)
    def static(self, request: IRequest) -> Resource:
        """Style sheets and images."""
        return StaticFiles(str(assets.static()))

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
            return documents.encode(documents.devices(now.devices, now.unregistered), pretty=pretty)

        return answer(request, await self.in_turn(make), JSON)

    @app.route("/admin/devices/<device_id>")
    async def admin_device(self, request: IRequest, device_id: str) -> bytes:
        """One device."""
        device = self._status.device(int(device_id)) if _DEVICE_ID.fullmatch(device_id) else None
        if device is None:
            return answer_json(request, {"error": "no device with this id has sent flow since the start"}, 404)
        pretty, device = wants_pretty(request), copied(device)
        body = await self.in_turn(lambda _now: documents.encode(documents.device(device), pretty=pretty))
        return answer(request, body, JSON)

    @app.route("/metrics")
    async def prometheus(self, request: IRequest) -> bytes:
        """The ledger for Prometheus."""
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
        return self._missing(request, "There is nothing at this address.")

    def _missing(self, request: IRequest, text: str) -> bytes:
        return answer(request, self._renderer.render("missing.html", text=text), HTML, 404)


def _status_document(now: Snapshot) -> bytes:
    return documents.encode(documents.status(now.daemon), pretty=False)
