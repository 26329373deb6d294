"""Bytes of a router on their way into messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.bgp.grpc_options import (
    DOWN_WINDOW_BYTES,
    KEEPALIVE_ANSWER_SECONDS,
    KEEPALIVE_SECONDS,
    MESSAGE_BYTES,
    UP_WINDOW_BYTES,
    Options,
    channel_options,
    server_options,
)
from kproxy_tw.bgp.outbox import MAX_PIECES, PAUSE_BYTES, PROCEED_BYTES, Outbox
from kproxy_tw.bgp.replay import MESSAGE_WEIGHT, REPLAY_BYTES, SETTLED_SECONDS
from kproxy_tw.collector.bgp_target.downward import HIGH_BYTES
from kproxy_tw.collector.bgp_target.session import REPLAY_BYTES as TARGET_REPLAY_BYTES

GRPC_WRITE_BUFFER = 64 << 10
"""gRPC's default of ``grpc.http2.write_buffer_size``."""

READ_BYTES = 65536
"""What Twisted reads at once."""


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=50))
def test_pieces_stay_whole_and_in_order(pieces: list[bytes]) -> None:
    """What goes in comes out, piece by piece."""
    outbox, out = Outbox(), []
    for piece in pieces:
        outbox.add(piece)
    while message := outbox.next_new():
        out += message
    assert (out, outbox.held, bool(outbox)) == (pieces, 0, False)


def test_message_size() -> None:
    """A message takes pieces up to its size, but at least one."""
    outbox = Outbox()
    for _ in range(3):
        outbox.add(bytes(MESSAGE_BYTES // 2))
    outbox.add(bytes(MESSAGE_BYTES * 2))
    assert [len(outbox.next_new()) for _ in range(4)] == [2, 1, 1, 0]


def test_pieces_of_a_message_are_bounded() -> None:
    """Tiny pieces do not make one message of any number of them."""
    outbox = Outbox()
    for _ in range(MAX_PIECES + 1):
        outbox.add(b"x")
    assert len(outbox.next_new()) == MAX_PIECES


def test_pauses_once_and_proceeds_once() -> None:
    """The router is told to pause above the mark, and to go on below the other one, each once."""
    outbox = Outbox()
    told = [outbox.add(bytes(READ_BYTES)) for _ in range(10)]
    assert told == [READ_BYTES * number > PAUSE_BYTES and number == 9 for number in range(1, 11)]
    relieved = []
    while outbox.next_new():
        relieved.append((outbox.held, outbox.relieved()))
    assert [said for _held, said in relieved].count(True) == 1
    assert next(held for held, said in relieved if said) < PROCEED_BYTES


def test_repeated_messages_come_first() -> None:
    """What must be sent again goes before what is new, and only once."""
    outbox = Outbox()
    outbox.add(b"new")
    outbox.repeat([(b"a",), (b"b", b"c")])
    assert outbox.next_repeated() == (b"a",)
    outbox.repeat([(b"b", b"c")])
    assert [outbox.next_repeated(), outbox.next_repeated()] == [(b"b", b"c"), None]
    assert outbox.next_new() == [b"new"]


def test_held_per_direction_stays_below_one_mebibyte() -> None:
    """The mark and one more read are within the bound."""
    assert PAUSE_BYTES + READ_BYTES <= 1 << 20
    assert HIGH_BYTES + READ_BYTES + TARGET_REPLAY_BYTES <= 1 << 20


GRPC_BYTES = 5 + 2
"""What gRPC and protobuf put before the bytes of a small message, and the window counts."""


@pytest.mark.parametrize("size", [MESSAGE_BYTES, 4096, 60])
@pytest.mark.parametrize(
    ("window", "kept"), [(UP_WINDOW_BYTES, REPLAY_BYTES), (DOWN_WINDOW_BYTES, TARGET_REPLAY_BYTES)], ids=["up", "down"]
)
def test_what_is_under_way_fits_the_replay_buffer(window: int, kept: int, size: int) -> None:
    """A full window, gRPC's buffer, and three large messages can all be sent again, whatever the window is full of."""
    messages = (window + GRPC_WRITE_BUFFER) // (size + GRPC_BYTES) + 1
    assert messages * (size + MESSAGE_WEIGHT) + 3 * (MESSAGE_BYTES + MESSAGE_WEIGHT) <= kept


def test_settling_waits_for_the_keepalive() -> None:
    """What is forgotten has been confirmed by at least one ping that came after it."""
    assert SETTLED_SECONDS >= 3 * (KEEPALIVE_SECONDS + KEEPALIVE_ANSWER_SECONDS)


@pytest.mark.parametrize(
    ("options", "window"), [(channel_options(), DOWN_WINDOW_BYTES), (server_options(), UP_WINDOW_BYTES)]
)
def test_window_does_not_grow(options: Options, window: int) -> None:
    """Bandwidth probes, which widen windows, are off."""
    told = dict(options)
    assert (told["grpc.http2.bdp_probe"], told["grpc.http2.lookahead_bytes"]) == (0, window)
