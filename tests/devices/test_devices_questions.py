"""Questions are asked a few at a time, paced, and after a failure later."""

from __future__ import annotations

import pytest

from kproxy_tw.backoff import full_jitter
from kproxy_tw.devices.questions import ATTEMPTS, BURST, Questions
from kproxy_tw.devices.sources import MAX_ASKED


def most(_low: float, high: float) -> float:
    """Jitter at its longest."""
    return high


def questions(*addresses: str, in_flight: int = 8) -> Questions:
    """A queue that holds ``addresses``."""
    queue = Questions(in_flight=in_flight, uniform=most)
    for address in addresses:
        assert queue.add(address)
    return queue


@pytest.mark.parametrize(
    ("failures", "ceiling"), [(1, 1.0), (2, 2.0), (5, 16.0), (9, 256.0), (10, 300.0), (5000, 300.0)]
)
def test_the_ceiling_of_the_wait_doubles(failures: int, ceiling: float) -> None:
    """The wait is drawn between nothing and 1 s, 2 s, 4 s ... 5 min."""
    assert full_jitter(failures, 1.0, 300.0, lambda low, high: high - low) == ceiling
    assert full_jitter(failures, 1.0, 300.0, lambda low, _high: low) == 0.0


def test_in_order_and_no_more_at_a_time_than_allowed() -> None:
    """Addresses come in the order in which they were added, each once, and the next one when a slot is free."""
    queue = questions("a", "b", "a", "c", in_flight=2)
    assert (queue.begin(0.0), queue.begin(0.0), queue.begin(0.0)) == ("a", "b", None)
    assert queue.wait(0.0) is None
    queue.add("b")
    queue.answered("b")
    assert (queue.wait(0.0), queue.begin(0.0)) == (0.0, "c")
    queue.answered("a")
    queue.answered("c")
    assert len(queue) == 0


def test_the_pace_is_bounded() -> None:
    """After a burst, 5 questions start per second however quickly they are answered."""
    queue = questions(*(f"10.0.0.{n}" for n in range(100)))
    started = []
    for tick in range(41):
        while (address := queue.begin(tick / 10)) is not None:
            queue.answered(address)
            started.append(tick / 10)
    assert started.count(0.0) == BURST
    assert len(started) == BURST + 4 * 5
    assert queue.wait(4.0) == pytest.approx(0.2)


def test_a_failure_makes_all_wait_and_then_one_goes_first() -> None:
    """While the API is in trouble it gets one question at a time, after a growing pause; a good answer ends that."""
    queue = questions("a", "b", "c")
    assert queue.begin(0.0) == "a"
    assert not queue.failed("a", 0.0)
    assert (queue.begin(0.5), queue.wait(0.5)) == (None, 0.5)
    assert (queue.begin(1.0), queue.begin(1.0)) == ("b", None)
    assert not queue.failed("b", 1.0)
    assert queue.wait(1.0) == 2.0
    assert queue.begin(3.0) == "c"
    queue.answered("c")
    assert (queue.begin(3.0), queue.begin(3.0)) == ("a", "b")


def test_the_api_may_ask_for_a_longer_pause() -> None:
    """A Retry-After that is longer than the pause is kept to."""
    queue = questions("a")
    queue.begin(0.0)
    queue.failed("a", 0.0, 60.0)
    assert queue.wait(0.0) == 60.0


def test_a_shorter_pause_does_not_cut_a_longer_one() -> None:
    """Of several failures at once the longest wait counts."""
    queue = questions("a", "b")
    queue.begin(0.0)
    queue.begin(0.0)
    queue.failed("a", 0.0, 60.0)
    queue.failed("b", 0.0)
    assert queue.wait(0.0) == 60.0


def test_a_question_is_given_up_after_eight_failures() -> None:
    """A question that never gets an answer does not stay for ever."""
    queue = questions("a")
    now = 0.0
    for attempt in range(1, ATTEMPTS + 1):
        now += 1000.0
        assert queue.begin(now) == "a"
        assert queue.failed("a", now) is (attempt == 8)
    assert len(queue) == 0


def test_a_withdrawn_question_is_not_asked() -> None:
    """What was answered otherwise is taken from the queue; what is under way runs on."""
    queue = questions("a", "b", "c")
    queue.begin(0.0)
    queue.withdraw("a")
    queue.withdraw("b")
    queue.withdraw("never queued")
    assert len(queue) == 2
    assert queue.begin(0.0) == "c"


def test_the_queue_is_bounded() -> None:
    """There is room for 1,024 addresses, and again when one is done."""
    queue = questions(*(str(n) for n in range(MAX_ASKED)))
    assert not queue.add("one too many")
    assert queue.begin(0.0) == "0"
    queue.answered("0")
    assert queue.add("one too many")
