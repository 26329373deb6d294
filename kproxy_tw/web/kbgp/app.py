"""What kbgp says on its status port."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest

from kproxy_tw.addresses import plain_address
from kproxy_tw.bgp.status import SessionStatus
from kproxy_tw.errors import MalformedInput
from kproxy_tw.logbook import LogBook
from kproxy_tw.status import Check
from kproxy_tw.web.answering import JSON, answer, answer_json, wants_pretty
from kproxy_tw.web.encoding import Document, encode
from kproxy_tw.web.kbgp import documents, metrics
from kproxy_tw.web.kbgp.source import KbgpPages, StatusSource
from kproxy_tw.web.statusport.app import Handler


class KbgpAnswers:
    """Fits ``statusport.app.OwnAnswers``.

    :param status: whom to ask, at each request.
    :param wall_ns: nanoseconds since 1970.
    :param book: of the log.
    :param token: for the form that changes the log's level.
    """

    brand = "kbgp"

    def __init__(self, status: StatusSource, wall_ns: Callable[[], int], book: LogBook, token: str) -> None:
        self._status = status
        self._wall_ns = wall_ns
        self.pages = KbgpPages(status, book, token)

    def checks(self) -> Sequence[Check]:
        """See ``OwnAnswers``."""
        return self._status.checks()

    def health(self, checks: Sequence[Check]) -> Document:
        """See ``OwnAnswers``."""
        return documents.health(checks, self._wall_ns())

    def status(self, *, pretty: bool) -> Deferred[bytes]:
        """The agent."""
        return self.pages.in_turn(lambda now: encode(documents.status(now), pretty=pretty))

    def metrics(self) -> Deferred[bytes]:
        """The counts."""
        return self.pages.in_turn(metrics.exposition)

    def details(self) -> Mapping[str, Handler]:
        """Sessions."""
        return {"/admin/sessions": self._sessions, "/admin/sessions/<address>": self._session}

    async def _sessions(self, request: IRequest) -> bytes:
        """All sessions."""
        pretty = wants_pretty(request)
        body = await self.pages.in_turn(lambda now: encode(documents.sessions(now), pretty=pretty))
        return answer(request, body, JSON)

    def _session(self, request: IRequest, address: str) -> bytes:
        """One session, the oldest one of its address."""
        found = self._find(address)
        if found is None:
            return answer_json(request, {"error": "no session of this address"}, 404)
        return answer_json(request, documents.session(found))

    def _find(self, address: str) -> SessionStatus | None:
        try:
            return self._status.session(plain_address(address))
        except MalformedInput:
            return None
