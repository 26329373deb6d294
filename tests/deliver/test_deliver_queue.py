"""The bounded queues."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.queue import MessageQueue, SharedRoom


def message(number: int, size: int = 10) -> Message:
    """A message that is told apart by its number of flows."""
    return Message(b"x" * size, number, 0.0)


def queue(
    dropped: list[int], *, room: SharedRoom | None = None, max_messages: int = 3, max_bytes: int = 1000
) -> MessageQueue:
    """A small queue that writes down what gives way."""
    return MessageQueue(
        max_messages=max_messages,
        max_bytes=max_bytes,
        room=room or SharedRoom(10_000),
        dropped=lambda gone: dropped.append(gone.flows),
    )


def test_oldest_message_not_under_way_gives_way() -> None:
    """The message that is being sent stays, and the newest ones stay."""
    dropped: list[int] = []
    full = queue(dropped)
    for number in range(3):
        full.push(message(number))
    assert full.take() == message(0)
    full.push(message(3))
    assert dropped == [1]
    assert (len(full), full.bytes, full.highwater, full.oldest) == (3, 30, 3, message(0))


def test_messages_come_out_in_order_and_stay_in_the_books_until_done() -> None:
    """One that is put back is the first to come out again."""
    some = queue([])
    for number in range(3):
        some.push(message(number))
    assert [some.take(), some.take()] == [message(0), message(1)]
    assert (len(some), some.waiting, some.bytes) == (3, 1, 30)
    some.put_back(message(0))
    some.done(message(1))
    assert [some.take(), some.take(), some.take()] == [message(0), message(2), None]
    some.done(message(2))
    some.done(message(0))
    assert (len(some), some.bytes) == (0, 0)


def test_parts_take_the_place_of_a_message() -> None:
    """In their order, before what waits."""
    room = SharedRoom(1000)
    some = queue([], room=room, max_messages=9)
    some.push(message(0, size=30))
    some.push(message(1))
    assert some.take() == message(0, size=30)
    some.replace(message(0, size=30), [message(7, size=16), message(8, size=15)])
    assert (some.bytes, room.bytes) == (41, 41)
    assert [some.take(), some.take(), some.take()] == [message(7, size=16), message(8, size=15), message(1)]


def test_bytes_are_bounded_and_a_message_too_large_is_dropped_itself() -> None:
    """The byte limit drops as many of the oldest as it takes; what never fits does not stay."""
    dropped: list[int] = []
    small = queue(dropped, max_messages=100, max_bytes=25)
    for number in range(3):
        small.push(message(number))
    assert (dropped, small.bytes) == ([0], 20)
    small.push(message(9, size=26))
    assert (dropped, len(small), small.bytes) == ([0, 1, 2, 9], 0, 0)


def test_shared_room_takes_from_the_largest() -> None:
    """When all queues together are too large, the device that holds most loses its oldest message."""
    room, quiet_lost, loud_lost = SharedRoom(100), list[int](), list[int]()
    quiet = queue(quiet_lost, room=room, max_messages=100)
    loud = queue(loud_lost, room=room, max_messages=100)
    quiet.push(message(0, size=20))
    for number in range(8):
        loud.push(message(number))
    quiet.push(message(1, size=20))
    assert (quiet_lost, loud_lost, room.bytes) == ([], [0, 1], 100)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 60)), max_size=80))
def test_books_hold_whatever_happens(steps: list[tuple[int, int]]) -> None:
    """Every message pushed is waiting, was sent, was dropped or was cleared out: once; and the limits hold."""
    dropped: list[int] = []
    room = SharedRoom(150)
    queues = [queue(dropped, room=room, max_messages=4, max_bytes=100) for _ in range(2)]
    pushed, left = 0, 0
    out: dict[MessageQueue, list[Message]] = {each: [] for each in queues}
    for action, size in steps:
        chosen = queues[size % 2]
        taken = out[chosen]
        if action == 0 and taken:
            chosen.done(taken.pop())
            left += 1
        elif action == 1 and (message_out := chosen.take()) is not None:
            taken.append(message_out)
        elif action == 1 and taken:
            chosen.put_back(taken.pop())
        elif action == 2 and size > 50:
            left += len(chosen.clear())
        elif action > 2:
            chosen.push(message(pushed, size))
            pushed += 1
        assert pushed == left + len(dropped) + sum(map(len, queues))
        assert room.bytes == sum(each.bytes for each in queues) <= 150
        assert all(len(each) <= 4 and each.bytes <= 100 for each in queues)
