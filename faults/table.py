"""Runs faults with seeds and prints what survived."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import pytest

MOST_REASON = 300
"""Characters of a reason in the table."""


@attrs.frozen
class Fault:
    """One row. ``run`` takes an empty directory and a random source; it raises AssertionError when something is lost.

    :ivar number: in the reliability plan.
    :ivar name: what is done.
    :ivar criterion: what must hold.
    """

    number: str
    name: str
    criterion: str
    run: Callable[[Path, random.Random], None]


@attrs.define
class Row:
    """What became of a fault."""

    fault: Fault
    survived: list[int] = attrs.field(factory=list)
    lost: dict[int, str] = attrs.field(factory=dict)
    skipped: str = ""

    @property
    def whole(self) -> bool:
        """Whether all seeds survived, and there was one."""
        return bool(self.survived) and not self.lost

    def lines(self) -> Iterator[str]:
        """The row as text, a line for each lost seed under it."""
        tried = len(self.survived) + len(self.lost)
        result = f"skipped: {self.skipped}" if self.skipped else f"{len(self.survived)} of {tried}"
        yield f"{self.fault.number:<5}{self.fault.name:<58}{tried:>6}  {result}"
        yield f"     {self.fault.criterion}"
        for seed, reason in self.lost.items():
            yield f"     seed {seed} lost: {reason}"


def tried(fault: Fault, seeds: Sequence[int], say: Callable[[str], None]) -> Row:
    """Do a fault once with each seed."""
    row = Row(fault)
    for seed in seeds:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"fault-{fault.number}-") as directory:
            try:
                fault.run(Path(directory), random.Random(seed))
            except pytest.skip.Exception as reason:
                row.skipped = str(reason)
                return row
            except (AssertionError, OSError, RuntimeError) as reason:
                row.lost[seed] = " ".join(str(reason).split())[:MOST_REASON]
            else:
                row.survived.append(seed)
        say(f"{fault.number} seed {seed}: {row.lost.get(seed, 'survived')} ({time.monotonic() - began:.1f} s)")
    return row


def table(faults: Sequence[Fault], seeds: Sequence[int], say: Callable[[str], None]) -> list[Row]:
    """Do all faults; says each result at once and the table at the end."""
    rows = [tried(fault, seeds, say) for fault in faults]
    say(f"\n{'':<5}{'fault':<58}{'seeds':>6}  survived")
    for row in rows:
        for line in row.lines():
            say(line)
    return rows
