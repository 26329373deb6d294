"""The fault runner itself; in the long tests, one seed of those faults that no other test does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from faults.__main__ import BGP, FLOWS
from faults.flows.kills import collector_killed, killed_at_crash_points
from faults.flows.surroundings import clock_set
from faults.table import Fault, Outcome, table
from tests.long import LONG

SHORT = {"F25", "F30"}


@LONG
@pytest.mark.parametrize("fault", [fault for fault in BGP if fault.number in SHORT], ids=lambda fault: fault.number)
def test_one_seed(fault: Fault, tmp_path: Path) -> None:
    """It survives; ``make faults-bgp`` does all of them with many seeds."""
    fault.run(tmp_path, random.Random(2))  # noqa: S311


def test_crash_points_lose_nothing_that_was_durable(tmp_path: Path) -> None:
    """Three of them, once each; ``make faults`` does all, ten times each, and the faults that take longer."""
    outcome = killed_at_crash_points(tmp_path, random.Random(1), ("write", "sync", "ack"), 1)  # noqa: S311
    assert outcome.stored > 0
    assert outcome.duplicates == 0
    assert set(outcome.lost) <= {"crash"}


def test_kcollect_killed_around_its_commit_stores_once(tmp_path: Path) -> None:
    """Before and behind it; nothing is lost, for kproxy sends again, and nothing is there twice."""
    outcome = collector_killed(tmp_path, random.Random(1), kills=0)  # noqa: S311
    assert (outcome.lost, outcome.duplicates) == ({}, 0)


def test_timers_do_not_follow_a_clock_that_is_set(tmp_path: Path) -> None:
    """Ten days forward, on the real daemon."""
    outcome = clock_set(tmp_path, random.Random(1), steps=1, seconds=8.0)  # noqa: S311
    assert (outcome.lost, outcome.duplicates) == ({}, 0)


def test_every_row_of_the_plan_is_there() -> None:
    """F23 to F30 of kbgp, each once; those of kproxy and kcollect."""
    assert [fault.number for fault in BGP] == [f"F{number}" for number in range(23, 31)]
    numbers = {int("".join(filter(str.isdecimal, fault.number))) for fault in FLOWS}
    assert numbers == {*range(1, 19), 21, 22, 31, 32, 33}


def odd(directory: Path, chance: random.Random) -> Outcome:
    """Survives with seed 2 alone."""
    assert directory.is_dir()
    assert chance.random() == pytest.approx(0.9560342718892494), "another number"  # of seed 2
    return Outcome(100, 97, {"crash": 3})


def skipped(directory: Path, chance: random.Random) -> None:
    """Cannot be tried."""
    pytest.skip("no root")


def test_the_table_tells_what_was_lost() -> None:
    """Survived, lost with its reason and seed, skipped; a fault without survivor is not whole."""
    said: list[str] = []
    rows = table([Fault("F1", "one", "holds", odd), Fault("F2", "two", "holds", skipped)], [2, 3], said.append, 2)
    assert [(row.survived, row.whole, row.skipped) for row in rows] == [([2], False, ""), ([], False, "no root")]
    assert list(rows[0].lost) == [3]
    assert rows[0].lost[3].startswith("another number")
    assert any("seed 3 lost: another number" in line for line in said)
    assert any(line.endswith("100 flows, 0 twice, lost: 3 crash") for line in said)
