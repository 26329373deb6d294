"""The spool as a state machine beside a model of it: any order of everything that can be done to it.

``make test-long`` does 10,000 steps with each of 50 seeds, in runs of 100: Hypothesis draws no longer ones.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from kproxy_tw.deliver.spool.limits import SpoolLimits
from kproxy_tw.deliver.spool.record import SpoolRecord, encode_header
from kproxy_tw.deliver.spool.segment import HEAD, SUFFIX, Place
from kproxy_tw.deliver.spool.store import Spool
from tests.deliver.test_deliver_spool_store import opened, places, record

LIMITS = SpoolLimits(max_bytes=1 << 30, segment_bytes=4000, device_part=1.0, free_bytes=0)
LONG = bool(os.environ.get("KPROXY_TW_LONG"))
SEEDS = 50 if LONG else 2
RUNS = 125 if LONG else 4
STEPS_A_RUN = 100


class SpoolMachine(RuleBasedStateMachine):
    """What waits, and what of it is out, in two dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="spool-machine-"))
        self.waiting: dict[int, SpoolRecord] = {}
        self.out: dict[int, Place] = {}
        self.next_number = 0
        self.spool: Spool = opened(self.directory, LIMITS)

    def teardown(self) -> None:
        """Nothing is left on the disk."""
        self.spool.close()
        shutil.rmtree(self.directory)

    @rule(sizes=st.lists(st.integers(0, 1500), min_size=1, max_size=4), device=st.integers(1, 3))
    def append(self, sizes: list[int], device: int) -> None:
        """Messages become durable together; memory delivers them."""
        new = [record(self.next_number + place, device, size) for place, size in enumerate(sizes)]
        found, lost = self.spool.append(new)
        assert lost == []
        for each, place in zip(new, places(found), strict=True):
            self.waiting[each.batch.sequence], self.out[each.batch.sequence] = each, place
        self.next_number += len(new)

    @precondition(lambda self: self.out)
    @rule(choice=st.integers(0, 1 << 30))
    def release(self, choice: int) -> None:
        """Memory gives one up, or somebody could not deliver it."""
        self.spool.release([self.out.pop(self._chosen(choice))])

    @precondition(lambda self: self.out)
    @rule(choice=st.integers(0, 1 << 30))
    def done(self, choice: int) -> None:
        """One has its fate."""
        number = self._chosen(choice)
        self.spool.done([self.out.pop(number)])
        del self.waiting[number]

    @rule(size=st.integers(1, 4000))
    def take(self, size: int) -> None:
        """The oldest that are not out, in order."""
        free = sorted(set(self.waiting) - set(self.out))
        taken, lost = self.spool.take(size)
        assert lost == []
        assert [stored.record for stored in taken] == [self.waiting[number] for number in free[: len(taken)]]
        assert bool(taken) == bool(free)
        self.out |= {stored.record.batch.sequence: stored.place for stored in taken}

    @rule(torn=st.binary(max_size=90))
    def crash(self, torn: bytes) -> None:
        """The process dies; the last write was torn, and a segment had been begun."""
        self.spool.close()
        last = max(self.directory.glob(f"*{SUFFIX}"), default=None)
        if last is not None:
            last.write_bytes(last.read_bytes() + torn)
        (self.directory / "99999999.new").write_bytes(HEAD[:4])
        self._start()

    @rule()
    def restart(self) -> None:
        """The process stops and starts."""
        self.spool.close()
        self._start()

    @precondition(lambda self: self.waiting)
    @rule(choice=st.integers(0, 1 << 30), flip=st.integers(1, 255))
    def rot(self, choice: int, flip: int) -> None:
        """While the process is away, a byte of a body changes: that record is lost, and no other."""
        number = sorted(self.waiting)[choice % len(self.waiting)]
        head, size = encode_header(self.waiting[number]), len(self.waiting[number].body)
        self.spool.close()
        for path in self.directory.glob(f"*{SUFFIX}"):
            at = path.read_bytes().find(head)
            if at >= 0 and size:
                self._flip(path, at + len(head) + choice % size, flip)
        self._start()
        taken, lost = self.spool.take(1 << 30)
        found = {stored.record.batch.sequence: stored.place for stored in taken}
        gone = set(self.waiting) - set(found)
        assert gone <= {number}
        assert sum(each.messages for each in lost) == len(gone)
        for sequence in gone:
            del self.waiting[sequence]
        self.out = found

    @invariant()
    def counts_agree(self) -> None:
        """What it says that waits is what waits."""
        status = self.spool.status()
        assert status.messages == len(self.waiting)
        assert status.flows == sum(each.flows for each in self.waiting.values())

    def _start(self) -> None:
        self.out.clear()
        self.spool = opened(self.directory, LIMITS)
        assert not list(self.directory.glob("*.new"))

    def _chosen(self, choice: int) -> int:
        return sorted(self.out)[choice % len(self.out)]

    @staticmethod
    def _flip(path: Path, at: int, flip: int) -> None:
        data = bytearray(path.read_bytes())
        data[at] ^= flip
        path.write_bytes(data)


@pytest.mark.parametrize("number", range(SEEDS))
def test_it_does_what_the_model_does(number: int) -> None:
    """Whatever happens."""
    runs = settings(
        max_examples=RUNS,
        stateful_step_count=STEPS_A_RUN,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(SpoolMachine), settings=runs)
