"""Lookups in turn, on a clock of the test."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

import pytest

from kproxy_tw.bgp.admission import MAX_PENDING, Admission, NoRoom
from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.bgp.lookup.service import LookupService
from kproxy_tw.testing.bgp_backend import RecordingBackend


def ask(lookups: LookupService, address: str) -> Deferred[Parameters]:
    """Ask about one router."""
    question = lookups.parameters(device_ip=address, device_port=1, proxy_ip="10.0.0.1", proxy_port=179)
    return Deferred.fromCoroutine(question)


def made() -> tuple[Clock, RecordingBackend, Admission, LookupService]:
    """A service, and what it works with."""
    clock, backend, admission = Clock(), RecordingBackend(), Admission()
    lookups = LookupService(reactor=clock, backend=backend, admission=admission)
    lookups.startService()
    return clock, backend, admission, lookups


def test_five_a_second_known_ones_first() -> None:
    """The first at once, then one every fifth of a second, whoever asks."""
    clock, backend, admission, lookups = made()
    admission.welcome("10.0.0.4")
    answers = [ask(lookups, f"10.0.0.{number}") for number in range(1, 5)]
    seen = [list(backend.asked)]
    for _ in range(3):
        clock.advance(0.2)
        seen.append(list(backend.asked))
    assert [len(asked) for asked in seen] == [1, 2, 3, 4]
    assert backend.asked == ["10.0.0.1", "10.0.0.4", "10.0.0.2", "10.0.0.3"]
    assert all(answer.called for answer in answers)
    assert lookups.pending == 0


def test_a_full_queue() -> None:
    """The 65th stranger is turned away; a known peer makes the youngest stranger leave."""
    clock, _backend, admission, lookups = made()
    admission.welcome("10.9.9.9")
    waiting = [ask(lookups, f"10.0.{number}.1") for number in range(MAX_PENDING + 1)]
    with pytest.raises(NoRoom):
        admission.enter("10.8.8.8", lambda: None)
    known = ask(lookups, "10.9.9.9")
    assert isinstance(waiting[-1].result.value, NoRoom)  # type: ignore[attr-defined]
    waiting[-1].addErrback(lambda _: None)
    clock.advance(0.2)
    assert known.called
    lookups.stopService()
    for one in waiting:
        one.addErrback(lambda failure: failure.trap(NoRoom))


def test_cancelling_gives_the_place_up() -> None:
    """A router that has left is not asked about."""
    clock, backend, _admission, lookups = made()
    ask(lookups, "10.0.0.1")
    leaving = ask(lookups, "10.0.0.2")
    leaving.cancel()
    leaving.addErrback(lambda _: None)
    clock.advance(1.0)
    assert (backend.asked, lookups.pending) == (["10.0.0.1"], 0)


def test_stopping() -> None:
    """Nobody is left waiting, and no timer."""
    clock, _backend, _admission, lookups = made()
    answers = [ask(lookups, f"10.0.0.{number}") for number in range(1, 4)]
    lookups.stopService()
    assert all(answer.called for answer in answers)
    for answer in answers[1:]:
        answer.addErrback(lambda failure: failure.trap(NoRoom))
    assert clock.getDelayedCalls() == []
