"""Custody: in whatever order senders and the disk act, each message has one keeper or one fate."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.deliver.message import Message
from kproxy_tw.deliver.spool.custody import MAX_OVER_BYTES, Custody, Errand
from kproxy_tw.deliver.spool.limits import Lost
from kproxy_tw.deliver.spool.record import BatchId
from kproxy_tw.deliver.spool.segment import Place

RUN = UUID("0d1f8f2e-7d3a-4f0e-9a55-5d6c3c0f6e11")


def message(number: int, created: float = 0.0, size: int = 10) -> Message:
    """A message of one flow."""
    return Message(b"x" * size, 1, created, BatchId(RUN, 7, number))


def places(errand: Errand) -> list[Place | None]:
    """Where a disk with room puts them: the number of the message is the offset."""
    return [Place(1, each.batch.sequence) for each in errand.messages if each.batch]


def test_only_what_is_old_enough_is_written() -> None:
    """A message that is delivered in time never sees the disk."""
    custody = Custody()
    custody.entered(message(1, created=10.0))
    custody.entered(message(2, created=10.4))
    custody.entered(message(3, created=10.6))
    custody.left(message(2))
    assert [each.created for each in custody.errand(10.5).messages] == [10.0]


def test_what_is_delivered_after_it_was_written_is_ended_there() -> None:
    """The disk is told in its next errand."""
    custody = Custody()
    custody.entered(message(1))
    errand = custody.errand(1.0)
    assert custody.done(errand, places(errand)) == []
    custody.left(message(1))
    assert custody.errand(1.0) == Errand([], [Place(1, 1)], [])


def test_what_is_delivered_while_it_is_written_is_ended_there() -> None:
    """It must not come back from the disk."""
    custody = Custody()
    custody.entered(message(1))
    errand = custody.errand(1.0)
    custody.left(message(1))
    custody.done(errand, places(errand))
    assert custody.errand(1.0).ended == [Place(1, 1)]


def test_what_finds_no_room_on_disk_is_lost_only_if_memory_gave_it_up() -> None:
    """A young one is still being delivered."""
    custody = Custody()
    custody.entered(message(1))
    assert custody.take_over(message(2))
    errand = custody.errand(1.0)
    assert custody.done(errand, [None, None]) == [Lost((RUN, 7), 1, 1, "spool_full")]
    assert not custody.errand(1.0)


def test_memory_for_what_waits_for_the_disk_is_bounded() -> None:
    """Beyond it the sender has to drop."""
    custody = Custody()
    assert custody.take_over(message(1, size=MAX_OVER_BYTES))
    assert not custody.take_over(message(2, size=1))
    custody.left(message(1, size=MAX_OVER_BYTES))
    assert custody.take_over(message(2, size=1))


@given(st.lists(st.tuples(st.sampled_from("elotwfd"), st.integers(0, 4)), max_size=40))
def test_nothing_is_forgotten_and_nothing_has_two_fates(steps: list[tuple[str, int]]) -> None:
    """Against a model: where each message is, and that the disk ends and releases each place once."""
    custody = Custody()
    state: dict[int, str] = {}  # memory, over (memory gave it up), gone
    on_disk: dict[int, str] = {}  # out, free
    errand: Errand | None = None
    for step, number in steps:
        if step == "e" and number not in state:
            custody.entered(message(number))
            state[number] = "memory"
        elif step == "l" and state.get(number) == "memory":
            custody.left(message(number))
            state[number] = "gone"
        elif step in "ot" and state.get(number) == "memory":
            assert custody.take_over(message(number))
            state[number] = "over"
        elif step == "w" and errand is None:
            errand = custody.errand(1.0)
        elif step == "f" and errand is not None:
            custody.failed(errand)
            errand = None
        elif step == "d" and errand is not None:
            _carry_out(errand, on_disk)
            assert custody.done(errand, places(errand)) == []
            errand = None
    if errand is not None:
        custody.failed(errand)
    for _last in range(2):
        final = custody.errand(1.0)
        _carry_out(final, on_disk)
        custody.done(final, places(final))
    assert custody.over_bytes == 0
    for number, where in state.items():
        assert on_disk.get(number, "none") == {"memory": "out", "over": "free", "gone": "none"}[where]


def _carry_out(errand: Errand, on_disk: dict[int, str]) -> None:
    for each in errand.messages:
        assert each.batch is not None
        assert each.batch.sequence not in on_disk
        on_disk[each.batch.sequence] = "out"
    for place in errand.ended:
        del on_disk[place.offset]
    for place in errand.released:
        assert on_disk[place.offset] == "out"
        on_disk[place.offset] = "free"
