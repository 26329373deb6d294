"""Interface documents and reports on their way out: retried, bounded, refused, in order."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

import pytest

from kproxy_tw.deliver.queue import SharedRoom
from kproxy_tw.errors import UpstreamError
from kproxy_tw.interfaces import Answer
from kproxy_tw.snmp.config import Comparison
from kproxy_tw.snmp.outputs.client import ABSENT_SECONDS, HOLD_SECONDS, MAX_REPORTS, DeviceUplink
from kproxy_tw.snmp.outputs.document import interface_entry
from kproxy_tw.testing.upstream import Line, RecordingSession
from tests.snmp.readings import interface

DOCUMENT_URL, REPORT_URL = "https://api.example.com/company/1/device/7/tags/snmp", "https://flow.example.com/snmp"
GOOD: Line = (200, {}, b"")
ENTRIES = {index: interface_entry(interface(index)) for index in (1, 2)}


class Uplink:
    """One uplink on a clock, with a scripted session."""

    def __init__(self, *script: Line, otherwise: Line | None = None, report_url: str = REPORT_URL) -> None:
        self.clock = Clock()
        self.session: RecordingSession | None = RecordingSession(script, otherwise=otherwise)
        self.room = SharedRoom(1 << 20)
        self.uplink = DeviceUplink(
            reactor=self.clock,
            name="r7",
            session=lambda: self.session,
            document_url=DOCUMENT_URL,
            report_url=report_url,
            comparison=Comparison.FULL,
            room=self.room,
            uniform=lambda _low, high: high,
        )

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass, in small steps."""
        self.clock.pump([0.0, 0.0] + [0.5] * int(2 * seconds) + [0.0])

    @property
    def sent(self) -> list[tuple[str, str, Any]]:
        """Method, URL and JSON body of each request."""
        assert self.session is not None
        return [(one.method, one.url, json.loads(one.body or b"null")) for one in self.session.requests]


def test_a_document_is_put_and_a_report_is_posted() -> None:
    """Over the one session, as JSON."""
    one = Uplink(otherwise=GOOD)
    one.uplink.describe(ENTRIES, {})
    one.uplink.report(b'{"DeviceID":7}')
    one.run()
    assert [(method, url) for method, url, _body in one.sent] == [("PUT", DOCUMENT_URL), ("POST", REPORT_URL)]
    assert set(one.sent[0][2]["interface_data"]) == {"1", "2"}
    assert one.session is not None
    assert one.session.requests[0].headers["Content-Type"] == "application/json"
    assert (one.uplink.documents.status.taken, one.uplink.reports.status.taken) == (1, 1)
    assert (len(one.uplink.untold), len(one.uplink.waiting), one.room.bytes) == (0, 0, 0)


@pytest.mark.parametrize("failure", [UpstreamError("away"), (503, {}, b""), (429, {}, b"")])
def test_what_fails_is_sent_again_after_growing_waits(failure: Line) -> None:
    """1, 2, 4 seconds; the error is shown meanwhile, and gone afterwards."""
    one = Uplink(failure, failure, failure, GOOD)
    one.uplink.report(b"1")
    one.run()
    assert one.uplink.reports.status.last_error
    for seconds, requests in ((0.5, 1), (0.5, 2), (1.5, 2), (0.5, 3), (3.5, 3), (0.5, 4)):
        one.run(seconds)
        assert len(one.sent) == requests
    assert [body for _method, _url, body in one.sent] == [1, 1, 1, 1]
    assert (one.uplink.reports.status.failed, one.uplink.reports.status.taken) == (3, 1)
    assert one.uplink.reports.status.last_error == ""


def test_retry_after_and_refused_credentials_are_respected() -> None:
    """No sooner than the backend says; a minute when the credentials are refused."""
    one = Uplink((503, {"Retry-After": "30"}, b""), (401, {}, b""), GOOD)
    one.uplink.report(b"1")
    one.run(29)
    assert len(one.sent) == 1
    one.run(2)
    assert len(one.sent) == 2
    one.run(HOLD_SECONDS - 2)
    assert len(one.sent) == 2
    one.run(3)
    assert len(one.sent) == 3


def test_a_backend_that_takes_no_reports_is_asked_once_an_hour() -> None:
    """The one is lost and counted, the others wait; interface documents go on."""
    one = Uplink((404, {}, b""), otherwise=GOOD)
    one.uplink.report(b"1")
    one.uplink.report(b"2")
    one.run()
    one.uplink.describe(ENTRIES, {})
    one.run(60)
    assert [method for method, _url, _body in one.sent] == ["POST", "PUT"]
    assert one.uplink.reports.status.refused == 1
    one.run(ABSENT_SECONDS)
    assert [body for method, _url, body in one.sent if method == "POST"] == [1, 2]


def test_reports_are_bounded_and_the_oldest_give_way() -> None:
    """A backend that is away costs no more memory than is said, and nothing is lost silently."""
    one = Uplink(otherwise=UpstreamError("away"))
    for number in range(MAX_REPORTS + 100):
        one.uplink.report(b"%d" % number)
    assert len(one.uplink.waiting) == MAX_REPORTS
    assert one.uplink.waiting.displaced == 100
    many = Uplink(otherwise=UpstreamError("away"))
    for _number in range(100):
        many.uplink.report(b"x" * 100_000)
    assert many.room.bytes <= 1 << 20
    assert many.uplink.waiting.displaced == 100 - len(many.uplink.waiting)


def test_without_anybody_who_takes_reports_none_are_kept() -> None:
    """The public backend."""
    one = Uplink(report_url="")
    one.uplink.report(b"1")
    one.run(5)
    assert (one.sent, len(one.uplink.waiting)) == ([], 0)


def test_a_device_that_goes_sends_nothing_more() -> None:
    """Also when a request is under way; the room that it took is free."""
    pending: Deferred[Answer] = Deferred()
    one = Uplink(pending)
    one.uplink.report(b"1")
    one.uplink.report(b"2")
    one.run()
    one.uplink.close()
    one.run(HOLD_SECONDS)
    assert len(one.sent) == 1
    assert one.room.bytes == 0


def test_without_a_session_it_waits() -> None:
    """A device between two senders."""
    one = Uplink(GOOD)
    session, one.session = one.session, None
    one.uplink.report(b"1")
    one.run(1)
    one.session = session
    one.run(HOLD_SECONDS)
    assert len(one.sent) == 1
