"""kbgp's pages by their addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from kproxy_tw.bgp.status import KbgpStatus, SessionStatus
from kproxy_tw.logbook import LogBook
from kproxy_tw.status import Check
from kproxy_tw.web.page import PageContent, timed
from kproxy_tw.web.pages import kbgp, log
from kproxy_tw.web.pagesite import PageRun
from kproxy_tw.web.tables.choice import choice_of
from kproxy_tw.web.turns import PageTurns

T = TypeVar("T")


class StatusSource(Protocol):
    """Whom the pages ask."""

    def hold(self) -> Callable[[], KbgpStatus]:
        """Everything at one moment, to be made in any thread."""

    def session(self, device_ip: str) -> SessionStatus | None:
        """The oldest session of an address."""

    def checks(self) -> tuple[Check, ...]:
        """The checks behind ``/hc``."""


class KbgpPages:
    """Fits ``pagesite.PageSource``.

    :param status: whom to ask.
    :param book: of the log; ``token`` is for the form that changes its level.
    """

    def __init__(self, status: StatusSource, book: LogBook, token: str) -> None:
        self._status = status
        self._book = book
        self._token = token
        self._turns = PageTurns()

    def in_turn(self, make: Callable[[KbgpStatus], T]) -> Deferred[T]:
        """Hold a moment and call ``make`` with it in a thread, a few at a time."""

        def work(moment: Callable[[], KbgpStatus]) -> T:
            return make(moment())

        return self._turns.run(lambda: deferToThread(work, self._status.hold()))

    def find(self, path: str, query: Mapping[str, str]) -> PageRun | None:
        """See ``pagesite.PageSource``."""
        choice = choice_of(query)
        makers: Mapping[str, Callable[[KbgpStatus], PageContent]] = {
            "/": lambda now: kbgp.content(now, choice),
            "/config": kbgp.settings_content,
            "/log": lambda now: log.content(
                self._book, query, self._token, {"brand": "kbgp", "kbgp": now, "now": now.now_ns / 1e9}
            ),
        }
        make = makers.get(path)
        return None if make is None else self._run(make)

    def _run(self, make: Callable[[KbgpStatus], PageContent]) -> PageRun:
        def run(use: Callable[[PageContent | None], T]) -> Deferred[T]:
            return self._turns.run(lambda: deferToThread(work, use, self._status.hold()))

        def work(use: Callable[[PageContent | None], T], moment: Callable[[], KbgpStatus]) -> T:
            return use(timed(lambda: make(moment())))

        return run
