"""Numbered messages and what is sent again: never a wrong, lost or doubled byte."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kproxy_tw.bgp.replay import MESSAGE_WEIGHT, Chunks, Exchange, Gap, ReplayBuffer

ONE = MESSAGE_WEIGHT + 1
"""What a message of one byte weighs."""


def filled(count: int, limit: int = 1 << 20) -> ReplayBuffer:
    """Give a buffer that has sent ``count`` messages of one byte, one each second from 0 on."""
    buffer = ReplayBuffer(limit)
    for number in range(count):
        buffer.append([bytes([number % 256])], float(number))
    return buffer


def test_sends_again_what_is_missing_in_order() -> None:
    """A peer that has read two of four messages gets the third and the fourth."""
    assert filled(4).after(2) == [(b"\2",), (b"\3",)]


def test_sends_nothing_again_when_all_arrived() -> None:
    """Equal counts mean that nothing is missing."""
    assert filled(4).after(4) == []


def test_what_was_confirmed_is_no_longer_kept() -> None:
    """A peer cannot take back what it has read."""
    buffer = filled(4)
    buffer.after(3)
    with pytest.raises(Gap, match="only the last 1 are kept"):
        buffer.after(2)


def test_small_pieces_weigh_as_much_as_one() -> None:
    """A message of a hundred pieces is kept as one; its bytes are the same."""
    buffer = ReplayBuffer()
    buffer.append([bytes([number]) for number in range(100)], 0.0)
    assert buffer.weight == MESSAGE_WEIGHT + 100
    assert buffer.after(0) == [(bytes(range(100)),)]


@pytest.mark.parametrize("received", [-1, 5, 1 << 63])
def test_impossible_counts_are_a_gap(received: int) -> None:
    """A peer cannot have read what was never sent."""
    with pytest.raises(Gap):
        filled(4).after(received)


def test_keeps_no_more_than_its_limit() -> None:
    """Of many messages the last ones stay, by weight."""
    buffer = filled(100, limit=10 * ONE)
    assert buffer.weight == 10 * ONE
    assert len(buffer.after(90)) == 10


def test_a_peer_behind_the_limit_is_a_gap() -> None:
    """Messages that are no longer kept cannot be sent again."""
    with pytest.raises(Gap, match="11 messages have not arrived"):
        filled(100, limit=10 * ONE).after(89)


def test_a_message_above_the_limit_is_counted_but_not_kept() -> None:
    """The limit holds for a single message, too."""
    buffer = ReplayBuffer(10)
    buffer.append([b"much too long for it"], 0.0)
    assert (buffer.sent, buffer.weight) == (1, 0)


def test_old_messages_settle() -> None:
    """What was sent before a time is forgotten, and its number stays."""
    buffer = filled(10)
    buffer.settle(7.0)
    assert (buffer.sent, buffer.weight) == (10, 3 * ONE)


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.binary(max_size=40)), max_size=40), st.floats(0.0, 60.0))
def test_settling_leaves_what_is_younger(sent: list[tuple[float, bytes]], before: float) -> None:
    """Nothing younger is forgotten, nothing that is a second older stays, and the weight is that of the rest."""
    buffer, now, times = ReplayBuffer(), 0.0, []
    for pause, message in sent:
        now += pause
        times.append(now)
        buffer.append([message], now)
    buffer.settle(before)
    with_weight = sum(MESSAGE_WEIGHT + len(message) for _pause, message in sent[len(sent) - kept(buffer) :])
    assert buffer.weight == with_weight
    forgotten = times[: len(sent) - kept(buffer)]
    assert all(time < before for time in forgotten)
    assert all(time > before - 2.0 for time in times[len(forgotten) :])


def kept(buffer: ReplayBuffer) -> int:
    """How many messages could be sent again."""
    for count in range(buffer.sent + 1):
        try:
            return len(buffer.after(count))
        except Gap:
            continue
    raise AssertionError("not even nothing can be sent again")


def test_marks_go_with_their_messages() -> None:
    """A buffer that never settles keeps no more than its messages need."""
    buffer = filled(10_000, limit=10 * ONE)
    assert len(buffer._marks) <= 11


def test_empty_messages_count() -> None:
    """A message without data takes a number, and is repeated."""
    buffer = ReplayBuffer()
    buffer.append((), 0.0)
    assert buffer.after(0) == [()]


def test_a_peer_that_sent_less_than_was_read_is_a_gap() -> None:
    """A target that started anew does not know this session's bytes."""
    exchange = Exchange()
    exchange.received = 3
    with pytest.raises(Gap, match="2 messages sent, of which 3 were read"):
        exchange.resume(peer_sent=2, peer_received=0)


class Session(RuleBasedStateMachine):
    """Two ends over streams that break at any moment, with messages lost on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = [Exchange(20 * ONE), Exchange(20 * ONE)]
        self.wires: list[deque[Chunks]] = [deque(), deque()]
        self.written = [b"", b""]
        self.read = [b"", b""]
        self.up = True
        self.over = False

    @precondition(lambda self: self.up)
    @rule(end=st.sampled_from([0, 1]), chunks=st.lists(st.binary(max_size=40), max_size=3))
    def write(self, end: int, chunks: list[bytes]) -> None:
        """One end writes a message."""
        self.ends[end].out.append(chunks, 0.0)
        self.wires[end].append(tuple(chunks))
        self.written[end] += b"".join(chunks)

    @precondition(lambda self: self.up)
    @rule(end=st.sampled_from([0, 1]), count=st.integers(1, 30))
    def arrive(self, end: int, count: int) -> None:
        """The other end reads some of what is under way."""
        for _ in range(min(count, len(self.wires[end]))):
            self.read[end] += b"".join(self.wires[end].popleft())
            self.ends[1 - end].received += 1

    @precondition(lambda self: self.up)
    @rule()
    def cut(self) -> None:
        """The stream breaks, and what is under way is lost."""
        for wire in self.wires:
            wire.clear()
        self.up = False

    @precondition(lambda self: not self.up and not self.over)
    @rule()
    def reconnect(self) -> None:
        """A new stream: both ends send again, or at least one of them knows that it cannot."""
        counts = [(end.out.sent, end.received) for end in self.ends]
        again: list[list[Chunks]] = []
        try:
            for end in (0, 1):
                sent, received = counts[1 - end]
                again.append(self.ends[end].resume(peer_sent=sent, peer_received=received))
        except Gap:
            self.over = True
            return
        for wire, messages in zip(self.wires, again, strict=True):
            wire.extend(messages)
        self.up = True

    @invariant()
    def what_is_read_was_written(self) -> None:
        """At every moment the bytes read are the first of those written."""
        for read, written in zip(self.read, self.written, strict=True):
            assert written.startswith(read)

    @invariant()
    def nothing_is_lost_on_a_stream_that_is_up(self) -> None:
        """What was read and what is under way make up all that was written."""
        if self.up:
            for read, wire, written in zip(self.read, self.wires, self.written, strict=True):
                assert read + b"".join(b"".join(chunks) for chunks in wire) == written

    @invariant()
    def a_gap_is_only_told_when_too_much_is_missing(self) -> None:
        """Sessions do not end as long as what is missing is within the limit."""
        if self.over:
            missing = [self.ends[end].out.sent - self.ends[1 - end].received for end in (0, 1)]
            assert max(missing) * (MESSAGE_WEIGHT + 3 * 40) > 20 * ONE


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
