"""kbgp with kcollect behind it, beside socat and HAProxy as TCP relays: delay, throughput, memory of a session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Self

import attrs

from bench.bgp_messages import BULK_UPDATE_BYTES, UPDATE_BYTES
from bench.relay_ways import WAYS, Way, there
from kproxy_tw.testing.processes import free_port

UPDATES_A_SECOND = 10_000
"""Over all sessions: 50 a second on each of 200."""

MAX_UPDATES_OF_ONE = 50
STEADY_SECONDS = 5.0
BULK_BYTES = 400_000_000
STOP_SECONDS = 30.0
SETTLE_SECONDS = 1.5
SIZES = (1, 200, 1000)

MAX_FORKS = 200
"""socat is a process for each session: no more of them than this."""

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@attrs.frozen(kw_only=True)
class Use:
    """What a relay has used so far: processor seconds, and resident bytes now."""

    cpu: float
    memory: int


@attrs.frozen(kw_only=True)
class Run:
    """What was measured on one way with one number of sessions: milliseconds, bytes a second, and what was used.

    :ivar idle: before the routers came, with all of them at rest, after the steady part, after the bulk.
    """

    sessions: int
    updates: int
    p50: float
    p99: float
    throughput: float
    uses: Mapping[str, tuple[Use, Use, Use, Use]]


class Worker:
    """A process of this benchmark that takes orders on stdin and answers with lines."""

    def __init__(self, module: str, *arguments: object) -> None:
        command = [sys.executable, "-m", module, *(str(argument) for argument in arguments)]
        root = Path(__file__).parents[1]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        _pipe(self.process.stdin).close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def answer(self) -> str:
        """Wait for a line. :raises RuntimeError: the process has ended instead."""
        line = _pipe(self.process.stdout).readline()
        if not line:
            raise RuntimeError(f"{self.process.args!r} has ended")
        return line.strip()

    def ask(self, order: str) -> str:
        """Give an order and wait for the answer."""
        stdin = _pipe(self.process.stdin)
        stdin.write(order + "\n")
        stdin.flush()
        return self.answer()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def use(process: int) -> Use:
    """Add up what a process and its children have used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    cpu = sum(int(field) for field in fields[11:15]) / TICKS
    memory = int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE_BYTES
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        of_child = use(int(child))
        cpu, memory = cpu + of_child.cpu, memory + of_child.memory
    return Use(cpu=cpu, memory=memory)


def measure(name: str, sessions: int) -> Run:
    """Send through one way: at rest, at a steady rate, then as fast as it goes."""
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        with Worker("bench.bgp_daemon", port) as daemon, WAYS[name](port, Path(directory)) as way:
            daemon.answer()
            used = [_uses(way)]
            with Worker("bench.bgp_routers", way.port, sessions) as routers:
                routers.answer()
                time.sleep(SETTLE_SECONDS)
                used.append(_uses(way))
                daemon.ask("report")
                rate = min(MAX_UPDATES_OF_ONE, UPDATES_A_SECOND / sessions)
                routers.ask(f"steady {rate} {STEADY_SECONDS}")
                time.sleep(SETTLE_SECONDS)
                used.append(_uses(way))
                steady = json.loads(daemon.ask("report"))
                throughput = _bulk(routers, daemon, min(sessions, 200))
                used.append(_uses(way))
    return Run(
        sessions=sessions,
        updates=steady["messages"],
        p50=steady["p50"],
        p99=steady["p99"],
        throughput=throughput,
        uses={process: tuple(step[process] for step in used) for process in way.processes},  # type: ignore[misc]
    )


def _uses(way: Way) -> dict[str, Use]:
    return {name: use(process) for name, process in way.processes.items()}


def _bulk(routers: Worker, daemon: Worker, sessions: int) -> float:
    """Send the bulk; bytes a second as they arrive at the daemon."""
    routers.ask(f"bulk {BULK_BYTES} {sessions}")
    size, seconds = 0, 0.0
    until = time.monotonic() + STOP_SECONDS
    wanted = BULK_BYTES // sessions // BULK_UPDATE_BYTES * BULK_UPDATE_BYTES * sessions
    while size < wanted and time.monotonic() < until:
        time.sleep(0.2)
        report: dict[str, Any] = json.loads(daemon.ask("report"))
        size, seconds = size + report["bytes"], max(seconds, 0.0) + report["seconds"]
    if size < wanted:
        raise RuntimeError(f"{wanted - size} of {wanted} bytes did not arrive")
    return size / seconds


def rows(name: str, run: Run) -> Iterator[str]:
    """Give the lines of one run: what routers see, then what each process used for it."""
    yield f"{name:<12}{run.sessions:>9,}{run.p50:>10.2f}{run.p99:>10.2f}{run.throughput / 1e6:>10.0f}"
    for process, (before, rest, steady, bulk) in run.uses.items():
        each = (rest.memory - before.memory) / run.sessions / 1024
        update = (steady.cpu - rest.cpu) / max(1, run.updates) * 1e6
        per_second = BULK_BYTES / 1e6 / max(1 / TICKS, bulk.cpu - steady.cpu)
        yield f"{'  ' + process:<12}{'':>39}{update:>12.0f}{per_second:>14.0f}{each:>14.1f}"


def report() -> Iterator[str]:
    """The lines of the table, as they are measured."""
    yield (
        f"BGP relay, loopback: UPDATEs of {UPDATE_BYTES} bytes, {UPDATES_A_SECOND:,}/s over all sessions (at most "
        f"{MAX_UPDATES_OF_ONE}/s each), then {BULK_BYTES / 1e6:.0f} MB in UPDATEs of {BULK_UPDATE_BYTES} bytes"
    )
    yield (
        f"{'':<12}{'sessions':>9}{'p50 ms':>10}{'p99 ms':>10}{'MB/s':>10}"
        f"{'CPU us/upd':>12}{'MB/CPU second':>14}{'KiB/session':>14}"
    )
    for sessions in SIZES:
        for name in there():
            if name != "socat" or sessions <= MAX_FORKS:
                yield from rows(name, measure(name, sessions))


if __name__ == "__main__":
    chosen = [int(word) for word in sys.argv[2:]] or SIZES
    for size in chosen:
        for text in rows(sys.argv[1], measure(sys.argv[1], size)):
            print(text, flush=True)
