"""Replies kept as allowed, and heartbeats."""

from __future__ import annotations

import contextlib

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.bgp.control import MAX_TTL_SECONDS, Pulse, ReplyCache, parameters_of
from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.bgp.proto import ktbgp_pb2
from kproxy_tw.errors import MalformedInput


def reply(seconds: int = 0, uses: int = 0, device_ip: str = "10.0.0.1", device_id: int = 0) -> Parameters:
    """Give a reply about a router."""
    return Parameters(device_ip=device_ip, device_id=device_id, ttl_seconds=seconds, ttl_counter=uses)


def test_kept_for_its_seconds() -> None:
    """A reply serves until its time is over, and not at that moment."""
    cache = ReplyCache()
    cache.put(reply(60), 100.0)
    assert cache.use("10.0.0.1", 159.9) is not None
    assert cache.use("10.0.0.1", 160.0) is None


def test_zero_seconds_are_not_kept() -> None:
    """``ttl_seconds`` 0 means: do not cache, whatever the counter says."""
    cache = ReplyCache()
    cache.put(reply(0, 5), 0.0)
    assert cache.use("10.0.0.1", 0.0) is None


def test_zero_seconds_drop_what_was_kept() -> None:
    """A newer reply takes the place of the older one even if it is not to be kept itself."""
    cache = ReplyCache()
    cache.put(reply(60), 0.0)
    cache.put(reply(0), 1.0)
    assert cache.use("10.0.0.1", 2.0) is None


def test_kept_for_its_uses() -> None:
    """``ttl_counter`` counts uses of the kept reply; 0 is no limit."""
    cache = ReplyCache()
    cache.put(reply(60, 2), 0.0)
    assert [cache.use("10.0.0.1", 1.0) is not None for _ in range(4)] == [True, True, False, False]
    cache.put(reply(60, 0), 0.0)
    assert all(cache.use("10.0.0.1", 1.0) for _ in range(100))


def test_bounded_by_the_least_used() -> None:
    """A new address takes the place of the one not asked for the longest time."""
    cache = ReplyCache(most=2)
    for address in ("10.0.0.1", "10.0.0.2"):
        cache.put(reply(60, device_ip=address), 0.0)
    cache.use("10.0.0.1", 1.0)
    cache.put(reply(60, device_ip="10.0.0.3"), 2.0)
    assert cache.use("10.0.0.2", 3.0) is None
    assert cache.use("10.0.0.1", 3.0) is not None


def test_longest_time_is_bounded() -> None:
    """A backend cannot make a reply last for ever."""
    cache = ReplyCache()
    cache.put(reply((1 << 32) - 1), 0.0)
    assert cache.use("10.0.0.1", MAX_TTL_SECONDS + 1.0) is None


def test_forget() -> None:
    """A forgotten address is asked for again."""
    cache = ReplyCache()
    cache.put(reply(60), 0.0)
    cache.forget("10.0.0.1")
    assert cache.use("10.0.0.1", 0.0) is None


def test_reply_taken_apart() -> None:
    """Every field arrives."""
    parameters = parameters_of(
        ktbgp_pb2.ControlResponse(
            proto="BGP",
            device_ip="10.0.0.1",
            ttl_seconds=1200,
            ttl_counter=3,
            action=ktbgp_pb2.CONTROL_ACTION_BLOCK_IP,
            metadata=[ktbgp_pb2.KeyVal(key="backend-pin", val=["a", "b"])],
            company_id=1,
            device_id=2,
            device_name="r1",
            tcp_md5=b"key",
        )
    )
    assert parameters == Parameters(
        device_ip="10.0.0.1",
        blocked=True,
        company_id=1,
        device_id=2,
        device_name="r1",
        tcp_md5=b"key",
        metadata={"backend-pin": ("a", "b")},
        ttl_seconds=1200,
        ttl_counter=3,
    )


@pytest.mark.parametrize(
    "reply",
    [
        ktbgp_pb2.ControlResponse(proto="BGP", device_ip=""),
        ktbgp_pb2.ControlResponse(proto="LDP", device_ip="10.0.0.1"),
        ktbgp_pb2.ControlResponse(proto="BGP", device_ip="10.0.0.1", tcp_md5=b"x" * 81),
    ],
)
def test_replies_of_no_use(reply: ktbgp_pb2.ControlResponse) -> None:
    """No address, another protocol, or a key that no kernel takes."""
    with pytest.raises(MalformedInput):
        parameters_of(reply)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Whatever parses as a reply is taken or refused."""
    with contextlib.suppress(DecodeError, MalformedInput):
        parameters_of(ktbgp_pb2.ControlResponse.FromString(data))


def test_round_trip_is_of_the_first_unanswered_heartbeat() -> None:
    """An answer that came after a second heartbeat belongs to the first."""
    pulse = Pulse()
    pulse.connected(1000.0)
    pulse.beat(10.0, 1010.0)
    pulse.beat(70.0, 1070.0)
    pulse.answered(70.5, 1070.5)
    assert pulse.status.last_round_trip_ms == 60_500
    assert (pulse.status.last_sent, pulse.status.last_received) == (1070.0, 1070.5)


def test_silence_counts_for_servers_that_answered_before() -> None:
    """A server that never answers heartbeats is not silent; one that stopped is."""
    pulse = Pulse()
    pulse.beat(0.0, 0.0)
    assert pulse.silent_seconds(100.0) == 0.0
    pulse.answered(100.0, 0.0)
    pulse.beat(160.0, 0.0)
    assert pulse.silent_seconds(200.0) == 40.0
    pulse.began()
    assert pulse.silent_seconds(200.0) == 0.0


def test_state_since_when() -> None:
    """``since`` is the time of the last change; the count of messages is that of the stream."""
    pulse = Pulse()
    pulse.connected(100.0)
    pulse.received()
    pulse.lost("cut", 150.0)
    pulse.lost("refused", 160.0)
    assert (pulse.status.connected, pulse.status.since, pulse.status.last_error) == (False, 150.0, "refused")
    pulse.connected(170.0)
    assert (pulse.status.since, pulse.status.messages_received, pulse.status.last_error) == (170.0, 0, "")
