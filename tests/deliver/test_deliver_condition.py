"""When delivery counts as failing."""

from __future__ import annotations

from kproxy_tw.deliver.condition import Condition


def problem(condition: Condition, now: float, waiting: int = 1) -> str:
    """The problem with five failures and a minute as limits."""
    return condition.problem(now, waiting=waiting, attempts=5, seconds=60)


def test_five_failures_in_a_row_are_a_problem_until_a_success() -> None:
    """Four are not, and one success ends it."""
    condition = Condition()
    for _ in range(4):
        condition.failed(1.0, 503, "busy")
    assert problem(condition, 1.0) == ""
    condition.failed(2.0, 0, "refused")
    assert problem(condition, 2.0) == "5 attempts failed, the last one: refused"
    assert (condition.connected, condition.last_status) == (False, 503)
    condition.delivered(3.0, 200)
    assert (problem(condition, 3.0), condition.connected, condition.last_error) == ("", True, "")


def test_a_minute_without_success_is_a_problem_only_while_something_waits() -> None:
    """Silence of the exporters is no fault of the backend."""
    condition = Condition()
    condition.delivered(0.0, 200)
    assert problem(condition, 600.0, waiting=0) == ""
    condition.waits(600.0)
    assert problem(condition, 659.0) == ""
    assert problem(condition, 660.0) == "nothing was taken for 60 s: no answer yet"


def test_refused_credentials_are_a_problem_at_once() -> None:
    """Nobody has to wait a minute to be told that the token is wrong."""
    condition = Condition()
    condition.failed(0.0, 401, "the token is not accepted", held=True)
    assert problem(condition, 0.0) == "the token is not accepted"
