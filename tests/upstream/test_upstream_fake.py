"""RecordingSession keeps the contract that tests of other parts rely on."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

import pytest

from kproxy_tw.errors import UpstreamError
from kproxy_tw.interfaces import Answer, UpstreamSession
from kproxy_tw.testing.upstream import RecordingSession
from kproxy_tw.upstream.answer import HttpAnswer


def result(session: UpstreamSession, url: str = "https://h/") -> Deferred[Answer]:
    """Ask, and return what comes."""
    return Deferred.fromCoroutine(session.request("GET", url, headers={"A": "b"}, seconds=3, limit=9))


def answered(request: Deferred[Answer]) -> Answer:
    """Take the answer out of a Deferred that has fired."""
    found: list[Answer] = []
    request.addCallback(found.append)
    return found[0]


def failure(request: Deferred[Answer]) -> BaseException:
    """Take the exception out of a Deferred that has failed."""
    found: list[BaseException] = []

    def keep(failed: Failure) -> None:
        assert failed.value is not None
        found.append(failed.value)

    request.addErrback(keep)
    return found[0]


def test_script_plays_every_kind_of_line_in_order() -> None:
    """Tuples, answers, exceptions, functions, and the line for the rest."""
    session = RecordingSession(
        [(201, {"ETag": "x"}, b"1"), HttpAnswer(status=202), UpstreamError("gone")],
        otherwise=lambda asked: (203, {}, asked.url.encode()),
    )
    first = answered(result(session))
    assert (first.status, first.headers, first.body) == (201, {"etag": "x"}, b"1")
    assert answered(result(session)).status == 202
    assert str(failure(result(session))) == "gone"
    assert [answered(result(session, url)).body for url in ("https://a/", "https://b/")] == [
        b"https://a/",
        b"https://b/",
    ]
    asked = session.requests[0]
    assert (asked.method, asked.headers, asked.seconds, asked.limit, asked.body) == ("GET", {"A": "b"}, 3, 9, None)


def test_request_without_a_line_fails_the_test() -> None:
    """A test that asks more than it scripted is told."""
    with pytest.raises(AssertionError, match="no answer for: GET"):
        raise failure(result(RecordingSession()))


def test_close_fails_the_request_under_way_and_later_ones() -> None:
    """As the real session does."""
    session = RecordingSession([Deferred()])
    pending = result(session)
    closed = Deferred.fromCoroutine(session.close())
    assert closed.called
    assert isinstance(failure(pending), UpstreamError)
    assert isinstance(failure(result(session)), UpstreamError)
