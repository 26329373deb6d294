"""The fault runner itself; in the long tests, one seed of those faults that no other test does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from faults.__main__ import BGP, FLOWS
from faults.table import Fault, Outcome, table
from tests.long import LONG

SHORT = {"F25", "F30"}


@LONG
@pytest.mark.parametrize("fault", [fault for fault in BGP if fault.number in SHORT], ids=lambda fault: fault.number)
def test_one_seed(fault: Fault, tmp_path: Path) -> None:
    """It survives; ``make faults-bgp`` does all of them with many seeds."""
    fault.run(tmp_path, random.Random(2))  # noqa: S311


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
