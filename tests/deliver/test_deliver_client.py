"""DeviceSender: order, timing of retries, and a fate for every record."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, capturedLogs

import pytest

from kproxy_tw.errors import UpstreamError
from kproxy_tw.kflow.encode import encode
from kproxy_tw.testing.upstream import Line
from kproxy_tw.upstream.answer import HttpAnswer
from tests.deliver.sending import GOOD, ORIGIN, Sending, columns, later, plain_flows, status


def test_message_is_posted_as_the_backend_wants_it() -> None:
    """Method, URL, headers and body of the one POST, and the books after it."""
    sending = Sending(GOOD)
    sending.submit(b"body", flows=25)
    (request,) = sending.flow.requests
    assert (request.method, request.body) == ("POST", b"body")
    assert request.url == "https://flow.example.com/chf?sid=0&sender_id=1%3Aedge%3A7"
    assert request.headers == {
        "Content-Type": "application/binary",
        "Content-Encoding": "gzip",
        "X-Kproxy-Batch": "6f0c7c38-2a52-4a0e-8b0a-6f9c9a1d7e55:7:1",
    }
    assert (request.seconds, request.limit) == (30.0, 1 << 20)
    ledger = sending.ledger
    assert (ledger.records_forwarded, ledger.records_in_flight) == (25, 0)
    assert (ledger.messages_sent, ledger.bytes_sent, ledger.messages_retried) == (1, 4, 0)
    assert sending.snmp.requests == []


def test_one_post_at_a_time_in_order() -> None:
    """The second message waits for the first one's answer."""
    first = later()
    sending = Sending(first, GOOD, GOOD)
    sending.submit(b"1", b"2", b"3")
    assert sending.sent == [b"1"]
    assert sending.ledger.records_in_flight == 30
    first.callback(HttpAnswer(status=204))
    assert sending.sent == [b"1", b"2", b"3"]
    assert (sending.ledger.records_forwarded, sending.ledger.messages_sent) == (30, 3)


@pytest.mark.parametrize(
    "trouble", [status(302), status(408), status(429), status(500), status(503), UpstreamError("refused")]
)
def test_passing_trouble_is_retried_with_growing_waits_before_anything_newer(trouble: Line) -> None:
    """Attempts at 0, 1, 3 and 7 seconds, always the same message, then the newer one."""
    sending = Sending(trouble, trouble, trouble, GOOD, GOOD)
    sending.submit(b"1", b"2")
    for second, attempts in ((0.99, 1), (1.0, 2), (2.99, 2), (3.0, 3), (6.99, 3)):
        sending.clock.advance(second - sending.clock.seconds())
        assert sending.sent == [b"1"] * attempts
        assert sending.ledger.balanced()
    sending.clock.advance(0.02)
    assert sending.sent == [b"1"] * 4 + [b"2"]
    assert (sending.ledger.records_forwarded, sending.ledger.messages_retried) == (20, 3)
    assert sending.ledger.balanced()


def test_backend_that_asks_for_time_gets_it() -> None:
    """Retry-After comes on top of the jittered wait, so that not all agents return in the same second."""
    sending = Sending(status(503, retry_after="30"), GOOD)
    sending.submit(b"1")
    assert sending.sender.standing.status().retry_in_ms == 31_000
    sending.clock.advance(30.9)
    assert len(sending.sent) == 1
    sending.clock.advance(0.1)
    assert (len(sending.sent), sending.ledger.records_forwarded) == (2, 10)


@pytest.mark.parametrize("code", [401, 403])
def test_refused_credentials_hold_everything_with_one_probe_a_minute(code: int) -> None:
    """Nothing is lost, the check fails at once, and the day somebody corrects the account all arrives."""
    sending = Sending(status(code), status(code), otherwise=GOOD)
    sending.submit(b"1", b"2")
    assert "check -api_email" in sending.sender.standing.status().problem
    sending.clock.advance(59.9)
    assert len(sending.sent) == 1
    sending.clock.advance(0.1)
    assert len(sending.sent) == 2
    sending.clock.advance(60)
    assert sending.sent[2:] == [b"1", b"2"]
    assert (sending.ledger.records_forwarded, sending.sender.standing.status().problem) == (20, "")


@pytest.mark.parametrize("code", [400, 404, 422])
def test_refused_message_is_tried_three_times_over_ten_minutes_and_set_aside(code: int) -> None:
    """It holds up nothing, keeps its id, and is counted when the last try has failed."""
    sending = Sending(status(code), GOOD, status(code), status(code))
    sending.submit(b"1", b"2")
    assert (sending.sent, sending.ledger.records_forwarded) == ([b"1", b"2"], 10)
    for second, attempts in ((299, 2), (300, 3), (599, 3)):
        sending.clock.advance(second - sending.clock.seconds())
        assert len(sending.sent) == attempts
        assert (sending.ledger.records_in_flight, sending.letters.kept) == (10, [])
    sending.clock.advance(1)
    assert sending.sent == [b"1", b"2", b"1", b"1"]
    assert len({sending.flow.requests[n].headers["X-Kproxy-Batch"] for n in (0, 2, 3)}) == 1
    assert sending.letters.kept == [(b"1", code)]
    assert sending.ledger.records_dropped["rejected"] == 10
    assert sending.ledger.balanced()


def test_a_refusal_that_passes_loses_nothing() -> None:
    """The backend's fault is mended within ten minutes."""
    sending = Sending(status(404), GOOD)
    sending.submit(b"1")
    assert sending.sender.standing.status().queue_length == 1
    sending.clock.advance(300)
    assert (sending.ledger.records_forwarded, sending.letters.kept) == (10, [])


def test_a_message_that_is_too_large_goes_in_halves() -> None:
    """Nothing of it is lost, nothing sent twice; each half has a name of its own, and records of its own."""
    flows = plain_flows(8)
    body = encode(flows, device_id=7, column_ids={})
    sending = Sending(status(413), otherwise=GOOD)
    sending.submit(body, flows=8)
    first, second = sending.sent[1:]
    assert [columns(half or b"")["in_bytes"] for half in (first, second)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    names = [request.headers["X-Kproxy-Batch"].rpartition(f"{ORIGIN[0]}:7:")[2] for request in sending.flow.requests]
    assert names == ["1", "1:1", "1:2"]
    ledger = sending.ledger
    assert (ledger.records_forwarded, ledger.records_in_flight, ledger.balanced()) == (8, 0, True)
    assert (ledger.messages_split, ledger.messages_sent, ledger.dead_letters) == (1, 2, 0)
    assert (ledger.messages_created, ledger.messages_in_flight) == (3, 0)
    assert sending.sender.standing.status().problem == ""


def test_a_flow_that_is_too_large_alone_is_set_aside_and_the_others_arrive() -> None:
    """A backend that takes no message with the flow of 5 bytes: it is found by halving, and is all that is lost."""
    sending = Sending(otherwise=lambda asked: status(413 if 5 in columns(asked.body or b"")["in_bytes"] else 200))
    sending.submit(encode(plain_flows(8), device_id=7, column_ids={}), flows=8)
    ((letter, code),) = sending.letters.kept
    assert (columns(letter)["in_bytes"], code) == ([5], 413)
    ledger = sending.ledger
    assert (ledger.records_forwarded, ledger.records_dropped["rejected"], ledger.balanced()) == (7, 1, True)
    assert (ledger.messages_split, ledger.dead_letters) == (3, 1)
    assert (ledger.messages_created, ledger.messages_sent) == (7, 3)
    names = [request.headers["X-Kproxy-Batch"] for request in sending.flow.requests]
    assert len(set(names)) == len(names) == 7


def test_what_cannot_be_read_cannot_be_split() -> None:
    """It is set aside at once: no wait makes it smaller."""
    sending = Sending(status(413), GOOD)
    sending.submit(b"1", b"2")
    assert (sending.letters.kept, sending.sent) == ([(b"1", 413)], [b"1", b"2"])
    assert sending.ledger.records_dropped["rejected"] == 10


def test_a_stop_while_a_message_is_split_keeps_the_whole() -> None:
    """The halves are made in a thread; the deadline does not wait for it."""
    sending = Sending(status(413), offload=lambda _work: later())
    sending.submit(encode(plain_flows(8), device_id=7, column_ids={}), flows=8)
    sending.drain(8.0)
    sending.clock.advance(8)
    assert (sending.ledger.records_dropped["shutdown"], sending.ledger.balanced()) == (8, True)


def test_as_many_posts_as_allowed_while_more_waits() -> None:
    """Three connections carry three messages at the same time, and the fourth waits for the first that is free."""
    slow, other, third = later(), later(), later()
    sending = Sending(slow, GOOD, further=(other, third), concurrent_posts=3)
    sending.submit(b"1", b"2", b"3", b"4")
    assert [session.requests[0].body for session in (sending.flow, *sending.further)] == [b"1", b"2", b"3"]
    slow.callback(HttpAnswer(status=200))
    assert sending.sent == [b"1", b"4"]
    other.callback(HttpAnswer(status=200))
    third.callback(HttpAnswer(status=200))
    assert (sending.ledger.records_forwarded, len(sending.further)) == (40, 2)
    drained = sending.drain()
    assert drained.called
    assert all(session.closed for session in sending.further)


def test_a_backend_in_trouble_gets_one_attempt_at_a_time() -> None:
    """What a further connection could not deliver goes back into the queue, and the first one probes alone."""
    slow, other = later(), later()
    sending = Sending(slow, status(503), otherwise=GOOD, further=(other,), concurrent_posts=2)
    sending.submit(b"1", b"2", b"3")
    other.callback(HttpAnswer(status=503))
    assert (sending.sent, len(sending.further[0].requests)) == ([b"1"], 1)
    slow.callback(HttpAnswer(status=200))
    assert (sending.sent, len(sending.further[0].requests)) == ([b"1", b"2"], 1)
    sending.clock.advance(1)
    assert sending.sent == [b"1", b"2", b"2", b"3"]
    assert (sending.ledger.records_forwarded, sending.ledger.balanced()) == (30, True)


def test_the_deadline_ends_all_attempts() -> None:
    """However many were under way, each message gets its fate."""
    sending = Sending(later(), further=(later(), later()), concurrent_posts=3)
    sending.submit(b"1", b"2", b"3", b"4")
    drained = sending.drain(8.0)
    sending.clock.advance(8)
    assert drained.called
    assert (sending.ledger.records_dropped["shutdown"], sending.ledger.balanced()) == (40, True)
    assert sending.ledger.messages_dropped["shutdown"] == 4
    assert sending.clock.getDelayedCalls() == []


def test_refused_messages_take_bounded_room() -> None:
    """What has no room to wait is set aside at once."""
    sending = Sending(otherwise=status(400), max_device_bytes=64 << 20)
    sending.submit(*[b"x" * (1 << 20)] * 5)
    assert [code for _body, code in sending.letters.kept] == [400]
    assert sending.ledger.records_in_flight == 40
    assert sending.ledger.messages_in_flight == sending.sender.standing.queued == 4


def test_drain_drops_refused_messages_that_wait() -> None:
    """They have had no other try, and there is nobody to keep them."""
    sending = Sending(status(400))
    sending.submit(b"1")
    sending.drain()
    assert sending.ledger.records_dropped["shutdown"] == 10
    sending.clock.advance(1000)
    assert sending.sent == [b"1"]


def test_backend_that_refuses_every_message_makes_the_check_fail() -> None:
    """A wrong -flow_url is told by the health check although nothing waits."""
    sending = Sending(otherwise=status(404))
    sending.submit(*[b"x"] * 5)
    assert "check -region, -api and -flow_url" in sending.sender.standing.status().problem


def test_full_queue_drops_the_oldest_waiting_message() -> None:
    """The newest telemetry is kept, the message under way is not touched, the loss is counted."""
    first = later()
    sending = Sending(first, otherwise=GOOD, max_messages=3)
    sending.submit(b"1", b"2", b"3", b"4", b"5")
    assert (sending.ledger.records_dropped["queue_full"], sending.ledger.balanced()) == (20, True)
    assert (sending.ledger.messages_dropped["queue_full"], sending.ledger.messages_in_flight) == (2, 3)
    seen = sending.sender.standing.status()
    assert (seen.queue_length, seen.queue_highwater, seen.queue_bytes) == (3, 3, 3)
    first.callback(HttpAnswer(status=200))
    assert sending.sent == [b"1", b"4", b"5"]


def test_new_name_is_used_from_the_next_attempt_on() -> None:
    """A device that is renamed while its messages wait does not lose them."""
    sending = Sending(status(503), GOOD)
    sending.submit(b"1")
    sending.sender.rename("1:core:7")
    sending.clock.advance(1)
    assert [request.url.partition("sender_id=")[2] for request in sending.flow.requests] == [
        "1%3Aedge%3A7",
        "1%3Acore%3A7",
    ]


def test_status_tells_what_happens() -> None:
    """What the pages show of an endpoint, before, during and after trouble."""
    sending = Sending(status(503), UpstreamError("flow.example.com refused the connection"), GOOD)
    assert (sending.sender.standing.status().connected, sending.sender.standing.status().last_status) == (False, 0)
    sending.submit(b"1")
    seen = sending.sender.standing.status()
    assert (seen.connected, seen.last_status, seen.last_error) == (True, 503, "the backend answered 503")
    assert (seen.retry_in_ms, seen.queue_length, seen.queue_bytes) == (1000, 1, 1)
    sending.clock.advance(1)
    seen = sending.sender.standing.status()
    assert (seen.connected, seen.last_error) == (False, "flow.example.com refused the connection")
    assert seen.oldest_ms == 1000
    sending.clock.advance(2)
    seen = sending.sender.standing.status()
    assert (seen.connected, seen.last_status, seen.last_error, seen.retry_in_ms) == (True, 200, "", 0)
    assert seen.queue_length == 0


def test_drain_sends_what_waits_and_closes_the_sessions() -> None:
    """A stop with a healthy backend loses nothing."""
    first = later()
    sending = Sending(first, GOOD)
    sending.submit(b"1", b"2")
    drained = sending.drain()
    assert not drained.called
    first.callback(HttpAnswer(status=200))
    assert drained.called
    assert (sending.ledger.records_forwarded, sending.ledger.records_in_flight) == (20, 0)
    assert (sending.flow.closed, sending.snmp.closed) == (True, True)


def test_drain_tries_at_once_what_was_waiting_for_a_retry() -> None:
    """A stop does not wait for a timer: the backend may be back."""
    sending = Sending(status(401), GOOD, GOOD)
    sending.submit(b"1", b"2")
    assert sending.drain().called
    assert sending.ledger.records_forwarded == 20
    assert sending.clock.getDelayedCalls() == []


def test_drain_drops_the_rest_at_the_deadline() -> None:
    """A backend that does not answer delays the stop until the deadline and no longer."""
    sending = Sending(later())
    sending.submit(b"1", b"2")
    drained = sending.drain(8.0)
    sending.clock.advance(7.9)
    assert not drained.called
    sending.clock.advance(0.1)
    assert drained.called
    assert sending.ledger.records_dropped["shutdown"] == 20
    assert (sending.ledger.balanced(), sending.flow.closed) == (True, True)
    assert sending.clock.getDelayedCalls() == []


def test_drain_ends_early_when_no_further_attempt_fits() -> None:
    """Credentials refused, next probe in a minute, deadline in eight seconds: there is nothing to wait for."""
    sending = Sending(otherwise=status(403))
    sending.submit(b"1")
    assert sending.drain(8.0).called
    assert sending.ledger.records_dropped["shutdown"] == 10


def test_message_that_comes_after_the_drain_began_is_counted() -> None:
    """The pipeline's last message cannot slip through."""
    sending = Sending()
    sending.drain(reason="unregistered")
    sending.submit(b"1")
    assert (sending.ledger.records_dropped["unregistered"], sending.ledger.balanced()) == (10, True)
    assert sending.sent == []


def test_discard_leaves_the_message_under_way() -> None:
    """What is being sent may still be acknowledged, so it is not counted as lost."""
    first = later()
    sending = Sending(first)
    sending.submit(b"1", b"2", b"3")
    sending.sender.discard("unregistered")
    assert sending.ledger.records_dropped["unregistered"] == 20
    first.callback(HttpAnswer(status=200))
    assert (sending.ledger.records_forwarded, sending.ledger.records_in_flight) == (10, 0)


def errors(events: Iterable[LogEvent]) -> list[str]:
    """The texts of what was logged as a warning or worse."""
    return [
        str(event["log_format"]).format(**event) for event in events if event["log_level"].name in ("warn", "error")
    ]


def test_an_outage_is_logged_once_not_with_every_attempt() -> None:
    """A night without backend does not fill the disk with log lines."""
    sending = Sending(*[UpstreamError("refused")] * 20, GOOD)
    with capturedLogs() as events:
        sending.submit(b"1")
        sending.clock.pump([60] * 20)
    assert sending.ledger.records_forwarded == 10
    assert errors(events) == ["cannot deliver for 1:edge:7: refused; will try again"]


def test_bug_in_a_session_is_logged_and_does_not_lose_the_message() -> None:
    """An exception that no one foresaw leaves the message where it is; the next submission sends it again."""
    sending = Sending(ZeroDivisionError(), GOOD, GOOD)
    with capturedLogs() as events:
        sending.submit(b"1")
    assert [event["log_failure"].type for event in events if "log_failure" in event] == [ZeroDivisionError]
    assert (sending.ledger.records_in_flight, sending.sender.standing.status().last_error) == (
        10,
        "internal error: ZeroDivisionError",
    )
    sending.submit(b"2")
    assert sending.sent == [b"1", b"1", b"2"]
    assert sending.ledger.records_forwarded == 20


def test_drain_of_an_idle_sender_closes_at_once() -> None:
    """A device that is silent does not hold up the stop."""
    sending = Sending()
    drained: Deferred[None] = sending.drain()
    assert drained.called
    assert (sending.flow.closed, sending.snmp.closed) == (True, True)
