"""All of kcollect's routes on one screen, who may use them, and what errors become."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource

from werkzeug.exceptions import HTTPException

from kproxy_tw.collector.answers import Refused, answer, answer_json, busy, header_values, refuse
from kproxy_tw.collector.bgp_pages.app import BgpPages
from kproxy_tw.collector.commits import StoredInPart
from kproxy_tw.collector.counts import CollectorCounts
from kproxy_tw.collector.credentials import EMAIL_HEADER, TOKEN_HEADER, Credentials
from kproxy_tw.collector.device_api.app import DeviceApi
from kproxy_tw.collector.intake.app import FlowIntake
from kproxy_tw.collector.pages.app import Pages
from kproxy_tw.collector.site.app import CollectorPages
from kproxy_tw.collector.snmp.app import SnmpApp
from kproxy_tw.errors import MalformedInput, StoreError
from kproxy_tw.web.answering import HTML, StaticFiles, query_of
from kproxy_tw.web.events import EventStreams, Fragments
from kproxy_tw.web.pagesite import PageSite
from kproxy_tw.web.render import Renderer

ANSWER_SECONDS = 60.0
"""Longest time for an answer; then 503, and a message that still waits is taken back."""

WARNING_SECONDS = 60.0
"""Least time between two warnings that the store takes no more."""

UNREADABLE_COST = 0.05
"""Seconds that a look at an unreadable store counts for: the next one is ten seconds away."""

PAGES = (
    "/",
    "/index.json",
    "/<table>.csv",
    *(
        f"/{page}{part}"
        for page in ("traffic", "talkers", "devices/<int:device>", "snmp", "snmp/<int:device>")
        for part in ("", "/<table>.csv")
    ),
    *("/traffic.json", "/talkers.json", "/devices/<device>.json", "/snmp.json", "/snmp/<device>.json"),
)
"""Addresses of pages, and of the same as JSON and CSV."""

Handler = Callable[..., Awaitable[bytes]]


class CollectorApp:
    """Ties the handlers to their routes.

    :param credentials: what is demanded; pages are open where it says so.
    """

    log = Logger()

    def __init__(
        self,
        *,
        credentials: Credentials,
        intake: FlowIntake,
        devices: DeviceApi,
        endpoints: Pages,
        pages: CollectorPages,
        renderer: Renderer,
        bgp: BgpPages,
        snmp: SnmpApp,
        counts: CollectorCounts,
        reactor: Any,
    ) -> None:
        self._credentials = credentials
        self._intake = intake
        self._devices = devices
        self._endpoints = endpoints
        self._site = PageSite(pages, renderer, "kcollect")
        self._events = EventStreams(self._news, reactor)
        self._renderer = renderer
        self._bgp = bgp
        self._snmp = snmp
        self._counts = counts
        self._reactor = reactor
        self._under_way = 0
        self._next_warning = float("-inf")
        self._idle: Deferred[None] | None = None

    def idle(self) -> Deferred[None]:
        """Take no more requests; fires when none is under way."""
        self._idle = Deferred()
        self._finish_idle()
        return self._idle

    def _finish_idle(self) -> None:
        if self._idle is not None and not self._under_way and not self._idle.called:
            self._idle.callback(None)

    def resource(self) -> IResource:
        """The root resource."""
        app = Klein()
        self._agent_routes(app)
        self._page_routes(app)
        app.handle_errors(Exception)(self.failed)
        app.route("/static/", branch=True)(lambda request: StaticFiles())
        resource: IResource = _Utf8Paths(app)
        return resource

    def _agent_routes(self, app: Klein) -> None:
        internal = "/api/internal"
        for rule, method, handler in (
            ("/chf", "POST", self._intake.chf),
            ("/tsdb", "POST", self._intake.tsdb),
            ("/dns", "POST", self._intake.dns),
            ("/snmp", "POST", self._snmp.post_report),
            (f"{internal}/devices", "GET", self._devices.list),
            (f"{internal}/device", "POST", self._devices.create),
            (f"{internal}/device/<string:key>", "GET", self._devices.find),
            (f"{internal}/device/<int:device_id>/interfaces", "GET", self._snmp.api_interfaces),
            (f"{internal}/company/<int:company_id>/device/<int:device_id>/tags/snmp", "PUT", self._snmp.put_document),
        ):
            self._route(app, rule, method, self._for_agents(handler))

    def _page_routes(self, app: Klein) -> None:
        read: tuple[tuple[str, Handler], ...] = (
            *((rule, self._page) for rule in PAGES),
            ("/totals", self._endpoints.totals),
            ("/flows", self._endpoints.flows),
            ("/tsdb", self._intake.latest_metrics),
            ("/metrics", self._endpoints.metrics),
            ("/snmp/devices", self._snmp.devices),
            ("/snmp/interfaces", self._snmp.interfaces),
            ("/snmp/counters", self._snmp.counters),
            ("/snmp/health", self._snmp.health),
            ("/admin/bgp/status", self._bgp.overall),
            ("/admin/bgp/sessions", self._bgp.sessions),
            ("/admin/bgp/sources", self._bgp.sources),
        )
        for rule, handler in read:
            self._route(app, rule, "GET", self._for_readers(handler))
        app.route("/events", methods=["GET"])(self._watch)
        for rule, handler in (("/healthz", self._endpoints.healthz), ("/readyz", self._endpoints.readyz)):
            self._route(app, rule, "GET", handler)

    async def _page(self, request: Any, **_parts: Any) -> bytes:
        """A page, or its JSON or CSV; what is wrong with the query is said in HTML to who wants that."""
        try:
            return await self._site.answer(request)
        except (MalformedInput, StoreError) as problem:
            if request.path.endswith((b".json", b".csv")):
                raise
            status = 400 if isinstance(problem, MalformedInput) else 503
            html = self._renderer.render("missing.html", text=f"{str(problem).capitalize()}.", brand="kcollect")
            return answer(request, html.encode(), status=status, content_type=HTML)

    def _watch(self, request: Any) -> bytes | Deferred[None]:
        """The live parts of ``?page=``, as long as somebody looks at it; stopping does not wait for that."""
        try:
            self._check_reader(request)
        except Refused as refused:
            return refuse(request, refused)
        return self._events.answer(request, query_of(request).get("page", ""))

    def _news(self, page: str) -> Callable[[], Deferred[Any]] | None:
        make = self._site.stream(page)
        if make is None:
            return None

        def none_yet(failure: Failure) -> Fragments:
            """Nothing is new while the store cannot be read, or is busy: the next round comes."""
            failure.trap(StoreError, MalformedInput)
            return Fragments({}, UNREADABLE_COST)

        return lambda: make().addErrback(none_yet)

    def _route(self, app: Klein, rule: str, method: str, handler: Handler) -> None:
        path = rule if method == "POST" and rule in ("/chf", "/tsdb", "/dns", "/snmp") else ""

        def answered(request: Any, **parts: Any) -> Deferred[bytes]:
            answering = Deferred.fromCoroutine(self._watched(handler, request, parts))
            answering.addTimeout(ANSWER_SECONDS, self._reactor)
            answering.addErrback(self._unless_gone, request)
            if path:
                answering.addCallback(self._counted, request, path)
            return answering

        app.route(rule, endpoint=f"{method} {rule}", methods=[method], strict_slashes=False)(answered)

    async def _watched(self, handler: Handler, request: Any, parts: Mapping[str, Any]) -> bytes:
        if self._idle is not None:
            raise busy("kcollect is stopping")
        self._under_way += 1
        try:
            return await handler(request, **parts)
        finally:
            self._under_way -= 1
            self._finish_idle()

    def _counted(self, body: bytes, request: Any, path: str) -> bytes:
        self._counts.posts.labels(path, str(request.code)).inc()
        return body

    def _for_agents(self, handler: Handler) -> Handler:
        async def checked(request: Any, **parts: Any) -> bytes:
            if not self._has_headers(request):
                raise Refused(401, f"{EMAIL_HEADER} and {TOKEN_HEADER} are missing or wrong")
            return await handler(request, **parts)

        return checked

    def _for_readers(self, handler: Handler) -> Handler:
        async def checked(request: Any, **parts: Any) -> bytes:
            self._check_reader(request)
            return await handler(request, **parts)

        return checked

    def _check_reader(self, request: Any) -> None:
        basic = header_values(request, "Authorization")
        open_to_all = self._credentials.open_pages
        if not (open_to_all or self._credentials.match_basic(basic) or self._has_headers(request)):
            challenge = {"WWW-Authenticate": 'Basic realm="kcollect", charset="UTF-8"'}
            raise Refused(401, "log in with the email and the token that kcollect was started with", challenge)

    def _has_headers(self, request: Any) -> bool:
        emails, tokens = (header_values(request, name) for name in (EMAIL_HEADER, TOKEN_HEADER))
        return self._credentials.match_headers(emails, tokens)

    def _unless_gone(self, failure: Failure, request: Any) -> bytes:
        if failure.check(CancelledError):
            failure.raiseException()  # the client went away; klein drops this
        return self.failed(request, failure)

    def failed(self, request: Any, failure: Failure) -> bytes:
        """Turn any failure into an answer; what is nobody's fault but ours is logged."""
        error = failure.value
        if isinstance(error, MalformedInput):
            return refuse(request, Refused(400, str(error)))
        if isinstance(error, Refused):
            return refuse(request, error)
        if isinstance(error, StoredInPart):
            return refuse(request, Refused(413, str(error)))
        if isinstance(error, StoreError):
            self._warn(str(error))
            return refuse(request, busy(str(error)))
        if isinstance(error, DeferredTimeout):
            return refuse(request, busy(f"no answer within {ANSWER_SECONDS:.0f} s"))
        if isinstance(error, HTTPException):
            return self._no_route(request, error)
        self.log.failure("a request failed", failure=failure)
        return answer_json(request, {"error": "internal error; the log has it"}, status=500)

    def _warn(self, problem: str) -> None:
        """Log what keeps the store from taking more, not for every sender again."""
        now = self._reactor.seconds()
        if now >= self._next_warning:
            self._next_warning = now + WARNING_SECONDS
            self.log.warn("clients are told to try again: {problem}", problem=problem)

    def _no_route(self, request: Any, error: HTTPException) -> bytes:
        if error.code == 405:
            allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
            return refuse(request, Refused(405, "this method is not allowed here", {"Allow": allowed}))
        return refuse(request, Refused(404, "there is nothing at this address"))


class _Utf8Paths(KleinResource):
    """Klein's resource, but a path that is no UTF-8 is the client's fault and not an error in the log."""

    def render(self, request: Any) -> Any:
        """Refuse such a path; leave all others to Klein."""
        try:
            b"/".join(request.postpath).decode("utf-8")
        except UnicodeDecodeError:
            return refuse(request, Refused(400, "the path is not UTF-8"))
        return super().render(request)
