"""Processes that die or stop: F1 to F4, F31, F32."""

from __future__ import annotations

import random
import time
from pathlib import Path

from faults.flows.chain import Chain, chain
from faults.table import Outcome
from kproxy_tw.crashpoints import VARIABLE
from tests.interop.namespaces import executable

KILLS = 20
"""Of each seed: five seeds make a hundred."""

CALLS = (("fdatasync", 6), ("pwritev,pwritev2", 6), ("rename", 2), ("pwrite64", 12), ("unlink", 1))
"""System calls, and at how many-th of each kproxy is killed at most."""

STOPS = 3
KILLS_AT_EACH_POINT = 2
SPOOL_POINTS = ("create", "rename", "write", "sync", "seal", "ack", "state", "delete")
STORE_POINTS = ("commit", "stored")

SMALL_SPOOL = "-spool_max_bytes=4000000"
"""Its segments are an eighth of that: one is full after ten seconds of an outage."""

BUSY = 3000
"""Flows a second that fill such a segment in about ten seconds."""

TURNS = 6
TURN_SECONDS = 6.0

LAST_TURN_SECONDS = 75.0
"""The backend may have been back only while nobody tried it; now it stays for longer than a sender waits."""

STOP_SECONDS = 10.0


def killed_at_random(directory: Path, chance: random.Random, kills: int = KILLS) -> Outcome:
    """F1: SIGKILL at random moments under load, the backend away at some of them."""
    with chain(directory) as made:
        made.load()
        for _kill in range(kills):
            time.sleep(chance.uniform(0.2, 3.0))
            if chance.random() < 0.3:
                made.kill_kcollect()
                time.sleep(chance.uniform(0.5, 2.0))
            made.kill_kproxy()
            if made.kcollect is not None and made.kcollect.process.poll() is not None:
                made.start_kcollect()
            made.start_kproxy()
        made.settle()
        return made.end()


def killed_at_crash_points(
    directory: Path,
    chance: random.Random,
    points: tuple[str, ...] = SPOOL_POINTS,
    kills: int = KILLS_AT_EACH_POINT,
) -> Outcome:
    """F2: kproxy kills itself at each named place, with the backend away and back meanwhile."""
    with chain(directory, SMALL_SPOOL, gated=True) as made:
        for point in points:
            for _kill in range(kills):
                _killed_at(made, point, chance)
        made.start_kproxy()
        made.settle()
        return made.end()


def _killed_at(made: Chain, point: str, chance: random.Random) -> None:
    made.put_away()
    made.start_kproxy(environment={VARIABLE: f"{point}:{chance.randint(1, 2)}"}, mortal=True)
    _until_dead(made, point)


def killed_in_a_system_call(
    directory: Path, chance: random.Random, calls: tuple[tuple[str, int], ...] = CALLS
) -> Outcome:
    """F3: SIGKILL when kproxy calls the kernel for the n-th time to write, synchronize or rename."""
    strace = executable("strace")
    with chain(directory, gated=True) as made:
        for call, most in calls:
            made.put_away()
            inject = f"inject={call}:signal=KILL:when={chance.randint(1, most)}"
            flags = ["-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
            made.start_kproxy(prefix=[strace, *flags], mortal=True)
            _until_dead(made, call)
        made.start_kproxy()
        made.settle()
        return made.end()


def _until_dead(made: Chain, place: str) -> None:
    """Outages under load, with time to drain in between, until kproxy has come to the place where it dies."""
    assert made.gate is not None
    for _turn in range(TURNS):
        made.gate.close()
        made.load(BUSY)
        died = made.kproxy_died(TURN_SECONDS)
        made.gate.open()
        made.load(300)
        if died or made.kproxy_died(TURN_SECONDS):
            made.quiet()
            return
    if not made.kproxy_died(LAST_TURN_SECONDS):
        raise AssertionError(f"kproxy never came to {place}")
    made.quiet()


def terminated(directory: Path, chance: random.Random) -> Outcome:
    """F4: SIGTERM under load, the backend there, silent or refusing; each ends with 0 within 10 s."""
    with chain(directory, gated=True) as made:
        assert made.gate is not None
        for _stop in range(STOPS):
            made.load()
            away = chance.random() < 0.5
            if away:
                made.gate.close()
            time.sleep(chance.uniform(1.0, 3.0))
            assert made.kproxy is not None
            took = made.stop_kproxy()
            assert took <= STOP_SECONDS, f"the stop took {took:.1f} s"
            if away:
                made.gate.open()
            made.start_kproxy()
        made.settle()
        return made.end()


def upgraded(directory: Path, chance: random.Random) -> Outcome:
    """F31: a stop under load leaves a spool, beside it lie files of a later version; the next run reads what is its."""
    with chain(directory, gated=True) as made:
        assert made.gate is not None and made.kproxy is not None
        made.load()
        made.gate.close()
        made.wait(lambda: made.on_disk() > 0, "nothing is on disk")
        time.sleep(chance.uniform(0.5, 2.0))
        made.stop_kproxy()
        spool = made.state / "spool"
        (spool / "00009999.seg").write_bytes(b"KPspool\x02" + chance.randbytes(4096))
        tally = spool / "tally"
        tally.write_bytes(tally.read_bytes().replace(b"KPst\0\0\0\1", b"KPst\0\0\0\2"))
        made.start_kproxy()
        made.gate.open()
        time.sleep(1.0)
        made.settle()
        assert list(spool.glob("00009999.bad-*")), "the file of a later version was not set aside"
        assert made.status()["Totals"]["SequenceGaps"] == 0, "the exporters' sequences have a gap"
        return made.end()


def collector_killed(directory: Path, chance: random.Random, kills: int = 4) -> Outcome:
    """F32: kcollect is killed at random, and before and behind its commits; what it acknowledged is there."""
    with chain(directory) as made:
        made.load()
        for point in (*STORE_POINTS * KILLS_AT_EACH_POINT, *([""] * kills)):
            assert made.kcollect is not None
            made.kcollect.stop()
            made.start_kcollect(environment={VARIABLE: f"{point}:{chance.randint(1, 3)}"} if point else None)
            if point:
                made.wait(lambda: made.kcollect.process.poll() is not None, f"kcollect never came to {point}")  # type: ignore[union-attr]
            else:
                time.sleep(chance.uniform(0.2, 2.0))
                made.kill_kcollect()
        made.start_kcollect()
        made.settle()
        return made.end()
