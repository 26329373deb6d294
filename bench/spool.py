"""The spool's disk work beside plain files: megabytes a second and microseconds a message, written durably and read."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

from kproxy_tw.deliver.spool.limits import SpoolLimits
from kproxy_tw.deliver.spool.record import BatchId, SpoolRecord
from kproxy_tw.deliver.spool.segment import Place
from kproxy_tw.deliver.spool.store import Spool

MESSAGES = 2048
BODY_BYTES = 50_000
"""About what 4,000 flows take, packed and compressed."""

GROUP = 64
"""Messages written by one synchronization."""

RUN = UUID(int=1)


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def row(name: str, seconds: float) -> str:
    """One line of the table."""
    return f"{name:<34}{MESSAGES * BODY_BYTES / seconds / 1e6:>12,.0f}{seconds / MESSAGES * 1e6:>16,.1f}"


def plain_write(path: Path, bodies: list[bytes]) -> None:
    """Append groups to one file, each group synchronized."""
    with path.open("wb", buffering=0) as file:
        for first in range(0, MESSAGES, GROUP):
            file.write(b"".join(bodies[first : first + GROUP]))
            os.fdatasync(file.fileno())


def plain_read(path: Path) -> None:
    """Read it back, a message at a time."""
    with path.open("rb", buffering=0) as file:
        while file.read(BODY_BYTES):
            pass


def spool_write(spool: Spool, bodies: list[bytes]) -> list[Place]:
    """Append groups to the spool."""
    places: list[Place] = []
    for first in range(0, MESSAGES, GROUP):
        records = [
            SpoolRecord(BatchId(RUN, 1, number), 4000, 0, bodies[number]) for number in range(first, first + GROUP)
        ]
        places += [place for place in spool.append(records)[0] if place is not None]
    return places


def spool_read(spool: Spool) -> None:
    """Take everything and end it."""
    while taken := spool.take(1 << 20)[0]:
        spool.done(stored.place for stored in taken)


def report() -> Iterator[str]:
    """The lines of the table, as they are measured."""
    bodies = [os.urandom(BODY_BYTES) for _message in range(MESSAGES)]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        spool = Spool(directory / "spool", SpoolLimits(device_part=1.0, free_bytes=0), wall=time.time)
        spool.open()
        places: list[Place] = []
        yield f"{MESSAGES} messages of {BODY_BYTES} bytes, {GROUP} to a synchronization"
        yield f"{'':<34}{'MB/s':>12}{'us/message':>16}"
        yield row("plain file, append", timed(lambda: plain_write(directory / "plain", bodies)))
        yield row("spool, append", timed(lambda: places.extend(spool_write(spool, bodies))))
        spool.release(places)
        yield row("plain file, read", timed(lambda: plain_read(directory / "plain")))
        yield row("spool, take and end", timed(lambda: spool_read(spool)))
        spool.close()
