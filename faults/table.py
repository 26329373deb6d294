"""Runs faults with seeds and prints what survived."""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from pathlib import Path

import attrs
import pytest

MOST_REASON = 300
"""Characters of a reason in the table."""


@attrs.frozen
class Outcome:
    """What an oracle found when a fault was over.

    :ivar issued: flows that were sent.
    :ivar stored: different ones of them in the store.
    :ivar lost: the others by reason.
    :ivar duplicates: flows that are in the store once more.
    """

    issued: int
    stored: int
    lost: Mapping[str, int] = attrs.field(factory=dict)
    duplicates: int = 0


Run = Callable[[Path, random.Random], Outcome | None]


@attrs.frozen
class Fault:
    """One row.

    ``run`` takes an empty directory and a random source; it raises AssertionError when something does not hold, and
    gives what the oracle found where there is one.

    :ivar number: in the reliability plan.
    :ivar name: what is done.
    :ivar criterion: what must hold.
    :ivar shorter: does less of it, for a quick look at everything.
    :ivar long: takes a minute and more even so: begun before the others.
    """

    number: str
    name: str
    criterion: str
    run: Run
    shorter: Run | None = None
    long: bool = False

    @property
    def shortened(self) -> Fault:
        """The same, done as briefly as can be."""
        return attrs.evolve(self, run=self.shorter or self.run)


@attrs.frozen
class Attempt:
    """One fault with one seed. ``problem``: why it did not survive; ``skipped``: why it could not be tried."""

    seed: int
    seconds: float
    outcome: Outcome | None = None
    problem: str = ""
    skipped: str = ""


@attrs.define
class Row:
    """What became of a fault."""

    fault: Fault
    survived: list[int] = attrs.field(factory=list)
    lost: dict[int, str] = attrs.field(factory=dict)
    outcomes: list[Outcome] = attrs.field(factory=list)
    skipped: str = ""

    @property
    def whole(self) -> bool:
        """Whether all seeds survived, and there was one."""
        return bool(self.survived) and not self.lost

    def add(self, attempt: Attempt) -> None:
        """Take in what became of one seed."""
        if attempt.skipped:
            self.skipped = attempt.skipped
        elif attempt.problem:
            self.lost[attempt.seed] = attempt.problem
        else:
            self.survived.append(attempt.seed)
        if attempt.outcome is not None:
            self.outcomes.append(attempt.outcome)

    def lines(self) -> Iterator[str]:
        """The row as text, a line for each lost seed under it."""
        tried = len(self.survived) + len(self.lost)
        result = f"skipped: {self.skipped}" if self.skipped else f"{len(self.survived)} of {tried}"
        yield f"{self.fault.number:<5}{self.fault.name:<58}{tried:>6}  {result:<10}{self._figures()}"
        yield f"     {self.fault.criterion}"
        for seed, reason in sorted(self.lost.items()):
            yield f"     seed {seed} lost: {reason}"

    def _figures(self) -> str:
        if not self.outcomes:
            return ""
        reasons: Counter[str] = Counter()
        for outcome in self.outcomes:
            reasons.update(outcome.lost)
        lost = ", ".join(f"{flows:,} {reason}" for reason, flows in sorted(reasons.items())) or "none"
        issued = sum(outcome.issued for outcome in self.outcomes)
        return f"{issued:>9,} flows, {sum(outcome.duplicates for outcome in self.outcomes)} twice, lost: {lost}"


def attempt(fault: Fault, seed: int) -> Attempt:
    """Do a fault once."""
    began, outcome, problem, skipped = time.monotonic(), None, "", ""
    with tempfile.TemporaryDirectory(prefix=f"fault-{fault.number}-") as directory:
        try:
            outcome = fault.run(Path(directory), random.Random(seed))
        except pytest.skip.Exception as reason:
            skipped = str(reason)
        except (AssertionError, OSError, RuntimeError) as reason:
            problem = " ".join(str(reason).split())[:MOST_REASON] or type(reason).__name__
    return Attempt(seed, time.monotonic() - began, outcome, problem, skipped)


def table(faults: Sequence[Fault], seeds: Sequence[int], say: Callable[[str], None], at_once: int = 1) -> list[Row]:
    """Do all faults; says each result when it is there and the table at the end.

    :param at_once: so many of them are done at the same time.
    """
    rows = [Row(fault) for fault in faults]
    in_turn = sorted(rows, key=lambda row: not row.fault.long)
    with ThreadPoolExecutor(at_once) as pool:
        tries = {pool.submit(_in_own_process, row.fault, seed): row for seed in seeds for row in in_turn}
        for one in as_completed(tries):
            _tell(tries[one], one.result(), say)
    say(f"\n{'':<5}{'fault':<58}{'seeds':>6}  survived")
    for row in rows:
        for line in row.lines():
            say(line)
    return rows


def _in_own_process(fault: Fault, seed: int) -> Attempt:
    """Namespaces are named after the process, and belong to its threads."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")) as pool:
        return pool.submit(attempt, fault, seed).result()


def _tell(row: Row, done: Attempt, say: Callable[[str], None]) -> None:
    row.add(done)
    row.survived.sort()
    result = done.problem or (f"skipped: {done.skipped}" if done.skipped else "survived")
    say(f"{row.fault.number} seed {done.seed}: {result} ({done.seconds:.1f} s)")
