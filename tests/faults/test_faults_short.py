"""The fault runner itself; in the long tests, one seed of those faults that no other test does."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from faults.__main__ import FAULTS
from faults.table import Fault, table
from tests.long import LONG

SHORT = {"F25", "F30"}


@LONG
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.number in SHORT], ids=lambda fault: fault.number)
def test_one_seed(fault: Fault, tmp_path: Path) -> None:
    """It survives; ``make faults-bgp`` does all of them with many seeds."""
    fault.run(tmp_path, random.Random(2))  # noqa: S311


def test_every_row_of_the_plan_is_there() -> None:
    """F23 to F30, each once."""
    assert [fault.number for fault in FAULTS] == [f"F{number}" for number in range(23, 31)]


def test_the_table_tells_what_was_lost() -> None:
    """Survived, lost with its reason and seed, skipped; a fault without survivor is not whole."""

    def odd(directory: Path, chance: random.Random) -> None:
        assert directory.is_dir()
        assert chance.random() == pytest.approx(0.9560342718892494), "another number"  # of seed 2

    def skipped(directory: Path, chance: random.Random) -> None:
        pytest.skip("no root")

    said: list[str] = []
    rows = table([Fault("F1", "one", "holds", odd), Fault("F2", "two", "holds", skipped)], [2, 3], said.append)
    assert [(row.survived, row.whole, row.skipped) for row in rows] == [([2], False, ""), ([], False, "no root")]
    assert list(rows[0].lost) == [3]
    assert rows[0].lost[3].startswith("another number")
    assert any("seed 3 lost: another number" in line for line in said)
