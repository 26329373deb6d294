"""Admission: bounded, fair to known peers, at a bounded rate."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest

from kproxy_tw.bgp.admission import MAX_PENDING, MAX_PENDING_OF_ONE_ADDRESS, Admission, NoRoom


def nobody() -> None:
    """Takes an eviction that must not happen."""
    raise AssertionError("evicted")


def crowd(admission: Admission, evicted: list[int] | None = None) -> None:
    """Fill the queue with strangers."""
    for number in range(MAX_PENDING):
        gone = nobody if evicted is None else partial(evicted.append, number)
        admission.enter(f"10.0.{number}.1", gone)


def test_at_most_64_wait() -> None:
    """One more stranger is turned away."""
    admission = Admission()
    crowd(admission)
    with pytest.raises(NoRoom, match="64"):
        admission.enter("10.9.9.9", nobody)
    assert len(admission) == 64


def test_a_known_peer_takes_the_place_of_the_youngest_stranger() -> None:
    """Routers that had a session are not kept out by a crowd."""
    admission, evicted = Admission(), list[int]()
    admission.welcome("10.9.9.9")
    crowd(admission, evicted)
    admission.enter("10.9.9.9", nobody)
    assert (evicted, len(admission)) == ([MAX_PENDING - 1], 64)


def test_one_address_cannot_fill_the_queue() -> None:
    """Its share is small, known or not."""
    admission = Admission()
    for _ in range(MAX_PENDING_OF_ONE_ADDRESS):
        admission.enter("10.0.0.1", nobody)
    with pytest.raises(NoRoom):
        admission.enter("10.0.0.1", nobody)


def test_a_place_is_given_back_once() -> None:
    """Leaving twice frees one place."""
    admission = Admission()
    tickets = [admission.enter("10.0.0.1", nobody) for _ in range(2)]
    admission.leave(tickets[0])
    admission.leave(tickets[0])
    assert len(admission) == 1


def test_five_lookups_a_second() -> None:
    """However often it is asked, turns are a fifth of a second apart."""
    admission = Admission()
    crowd(admission)
    turns = [now / 64 for now in range(10 * 64) if admission.next(now / 64) is not None]
    gaps = [later - earlier for earlier, later in pairwise(turns)]
    assert 0.2 <= min(gaps) <= max(gaps) < 0.22


def test_known_peers_first_then_by_arrival() -> None:
    """The order of turns."""
    admission = Admission()
    admission.welcome("10.0.0.3")
    for last in (1, 2, 3):
        admission.enter(f"10.0.0.{last}", nobody)
    order = [ticket.address for now in range(3) if (ticket := admission.next(float(now)))]
    assert order == ["10.0.0.3", "10.0.0.1", "10.0.0.2"]


def test_when_the_next_turn_is() -> None:
    """Nothing to wait for, now, and in a fifth of a second."""
    admission = Admission()
    assert admission.wait_seconds(0.0) is None
    admission.enter("10.0.0.1", nobody)
    admission.enter("10.0.0.2", nobody)
    assert admission.wait_seconds(0.0) == 0.0
    admission.next(5.0)
    assert admission.wait_seconds(5.1) == pytest.approx(0.1)
    admission.next(5.2)
    assert admission.wait_seconds(5.2) is None


def test_an_address_that_was_refused_is_a_stranger_again() -> None:
    """A blocked router does not keep its privilege."""
    admission = Admission()
    admission.welcome("10.0.0.1")
    admission.unwelcome("10.0.0.1")
    assert not admission.enter("10.0.0.1", nobody).known
