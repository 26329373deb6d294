"""Pages are made in turns, and whoever else needs the interpreter meanwhile does not wait for long."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from threading import get_ident
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.web.test.requesthelper import DummyRequest

from pytest_twisted import ensureDeferred

from kproxy_tw.logbook import LogBook
from kproxy_tw.status import DeviceStatus
from kproxy_tw.testing.status import FixedStatus, sample_daemon, sample_device
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.pages.source import KproxyPages
from kproxy_tw.web.pagesite import PageRun, PageSite
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.tables.table import Table, columns
from kproxy_tw.web.turns import PAGE_OBJECTS, SHORT_SECONDS, PageTurns

T = TypeVar("T")


def manners() -> tuple[float, int]:
    """After how long a thread gives way, and after how many objects the collector begins."""
    return round(sys.getswitchinterval(), 6), gc.get_threshold()[0]


def test_manners_while_a_page_is_made() -> None:
    """They last until the last page is made, whatever becomes of it."""
    usual = manners()
    turns, first, second = PageTurns(2), Deferred[str](), Deferred[str]()
    ends: list[Any] = []
    turns.run(lambda: first).addBoth(ends.append)
    turns.run(lambda: second).addBoth(ends.append)
    assert manners() == (SHORT_SECONDS, PAGE_OBJECTS)
    first.errback(ValueError("a bug"))
    assert manners() == (SHORT_SECONDS, PAGE_OBJECTS)
    second.callback("page")
    assert manners() == usual
    assert ends[0].check(ValueError) is ValueError
    assert ends[1:] == ["page"]


def test_one_page_after_the_other() -> None:
    """The next begins when the one before is done."""
    turns, begun, pages = PageTurns(), list[int](), [Deferred[int](), Deferred[int]()]

    def page(number: int) -> Deferred[int]:
        begun.append(number)
        return pages[number]

    ends: list[int] = []
    for number in range(2):
        turns.run(partial(page, number)).addCallback(ends.append)
    assert begun == [0]
    pages[0].callback(10)
    assert (begun, ends) == ([0, 1], [10])
    pages[1].callback(11)
    assert ends == [10, 11]


class OnePage:
    """A ``PageSource`` that keeps what was made of its page in the thread."""

    def __init__(self, content: PageContent) -> None:
        self._content = content
        self.made: list[object] = []

    def find(self, path: str, query: Mapping[str, str]) -> PageRun | None:
        """The page is everywhere."""

        def run(use: Callable[[PageContent | None], T]) -> Deferred[T]:
            made = use(self._content)
            self.made.append(made)
            return succeed(made)

        return run


def test_csv_comes_ready_from_the_thread() -> None:
    """A thousand rows take tens of milliseconds; the reactor gets the finished text."""
    table = Table(name="things", key="Things", title="Things", columns=columns(("Name", "Name")), rows=[("a",), ("b",)])
    source = OnePage(PageContent(template="limits.html", tables=(table,)))
    request: Any = DummyRequest([b"things.csv"])
    request.path = b"/things.csv"
    answers: list[bytes] = []
    Deferred.fromCoroutine(PageSite(source, Renderer(), "kproxy").answer(request)).addCallback(answers.append)
    assert source.made == ["Name\r\na\r\nb\r\n"]
    assert answers == [b"Name\r\na\r\nb\r\n"]
    disposition = request.responseHeaders.getRawHeaders("content-disposition")
    assert disposition == ['attachment; filename="things.csv"']


@ensureDeferred
async def test_the_thread_lets_go_of_what_it_was_given() -> None:
    """A thousand devices are 15,000 objects; the reactor does not stop to take them apart."""
    from twisted.internet import reactor

    gone: list[int] = []

    class Watched(FixedStatus):
        def devices(self) -> Iterator[DeviceStatus]:
            for device in super().devices():
                weakref.finalize(device, lambda: gone.append(get_ident()))
                yield device

    status = Watched(daemon_status=sample_daemon(), device_list=[sample_device(), sample_device(device_id=8)])
    pages = KproxyPages(status, reactor, LogBook("info"), "token")
    assert await pages.in_turn(lambda now: len(now.devices)) == 2
    assert len(gone) == 2
    assert get_ident() not in gone
