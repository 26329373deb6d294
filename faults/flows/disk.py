"""Disks that are full, fail, or give back something else: F5 to F7."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.flows.chain import chain
from faults.table import Outcome
from tests.interop.namespaces import call, executable

FULL_SECONDS = 8.0
TIGHT_BYTES = 1 << 20


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[None]:
    """A tmpfs at ``place`` for as long."""
    place.mkdir()
    call("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place))
    try:
        yield
    finally:
        call("umount", "-l", str(place))


def full(directory: Path, chance: random.Random) -> Outcome:
    """F5: the spool's disk is full, has no inodes, takes no larger file, or cannot be written; the backend is away."""
    how = chance.choice(["bytes", "inodes", "file size", "read only"])
    prefix = ["/usr/bin/prlimit", f"--fsize={300_000}"] if how == "file size" else []
    options = {"bytes": "size=2m", "inodes": "size=64m,nr_inodes=8"}.get(how, "size=64m")
    with small_disk(directory / "state", options), chain(directory, gated=True, prefix=prefix) as made:
        assert made.gate is not None
        made.load(1500)
        time.sleep(1.0)
        if how == "read only":
            call("mount", "-o", "remount,ro", str(made.state), check=False)
        if how == "inodes":
            _use_up_inodes(made.state / "filler")
        made.gate.close()
        time.sleep(chance.uniform(FULL_SECONDS, 2 * FULL_SECONDS))
        assert made.kproxy is not None and made.kproxy.process.poll() is None, f"kproxy ended: {how}"
        call("mount", "-o", "remount,rw,size=64m,nr_inodes=10k", str(made.state), check=False)
        shutil.rmtree(made.state / "filler", ignore_errors=True)
        made.gate.open()
        made.settle()
        return made.end()


def _use_up_inodes(place: Path) -> None:
    place.mkdir(exist_ok=True)
    try:
        for number in range(100):
            (place / str(number)).touch()
    except OSError:
        return


def failing(directory: Path, chance: random.Random) -> Outcome:
    """F6: fdatasync says EIO, writes say ENOSPC or EIO, from some call on or at times; nothing is believed durable."""
    strace = executable("strace")
    call_name, error = chance.choice(
        [
            ("fdatasync", "EIO"),
            ("pwritev,pwritev2", "ENOSPC"),
            ("pwritev,pwritev2", "EIO"),
            ("pwrite64", "EIO"),
            ("unlink", "EIO"),
        ]
    )
    when = chance.choice(["1+", f"{chance.randint(2, 4)}+2", f"{chance.randint(2, 5)}"])
    inject = f"inject={call_name}:error={error}:when={when}"
    prefix = [
        strace,
        "--seccomp-bpf",
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={call_name}",
        "-e",
        inject,
    ]
    with chain(directory, "-spool_max_bytes=3000000", gated=True, prefix=prefix) as made:
        assert made.gate is not None
        made.load(1500)
        for _outage in range(2):
            made.gate.close()
            time.sleep(chance.uniform(4.0, 6.0))
            made.gate.open()
            time.sleep(2.0)
        assert made.kproxy is not None and made.kproxy.process.poll() is None, f"kproxy ended: {inject}"
        made.settle()
        made.start_over()
        made.settle()
        return made.end()


def flipped(file: Path, chance: random.Random) -> None:
    """One byte of a body is another."""
    data = bytearray(file.read_bytes())
    at = chance.randrange(len(data) // 2, len(data))
    data[at] ^= 0x55
    file.write_bytes(data)


def cut(file: Path, chance: random.Random) -> None:
    """The file ends early."""
    data = file.read_bytes()
    file.write_bytes(data[: chance.randrange(8, len(data))])


def zeroed(file: Path, chance: random.Random) -> None:
    """A piece of it is zero."""
    data = bytearray(file.read_bytes())
    at = chance.randrange(8, len(data))
    data[at : at + 600] = bytes(len(data[at : at + 600]))
    file.write_bytes(data)


def lying(file: Path, chance: random.Random) -> None:
    """The length of the second record is another."""
    data = bytearray(file.read_bytes())
    second = data.find(b"KPsr", 16)
    if second > 0:
        data[second + 8 : second + 12] = chance.randbytes(4)
    file.write_bytes(data)


def foreign(file: Path, _chance: random.Random) -> None:
    """It says that it is of another version."""
    data = bytearray(file.read_bytes())
    data[7] = 9
    file.write_bytes(data)


def one_slot(file: Path, chance: random.Random) -> None:
    """One slot of the tally is damaged."""
    _damage_slots(file.parent / "tally", [chance.randrange(2)], chance)


def both_slots(file: Path, chance: random.Random) -> None:
    """Both slots of the tally are damaged."""
    _damage_slots(file.parent / "tally", [0, 1], chance)


def _damage_slots(file: Path, slots: list[int], chance: random.Random) -> None:
    data = bytearray(file.read_bytes())
    for slot in slots:
        data[slot * 512 + chance.randrange(512)] ^= 0xFF
    file.write_bytes(data)


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    flipped,
    cut,
    zeroed,
    lying,
    foreign,
    one_slot,
    both_slots,
)


def damaged(directory: Path, chance: random.Random) -> Outcome:
    """F7: a spool is damaged between two runs, in two ways; what is not hit arrives, what is hit is what is missing."""
    with chain(directory, gated=True) as made:
        assert made.gate is not None and made.kproxy is not None
        made.load(1200)
        time.sleep(1.5)
        made.gate.close()
        time.sleep(5.0)
        made.quiet()
        made.wait(lambda: made.status()["Spool"]["Messages"] >= 4, "nothing is on disk")
        made.stop_kproxy()
        waiting = _flows_on_disk(made.state / "spool")
        segment = sorted((made.state / "spool").glob("*.seg"))[0]
        for damage in chance.sample(DAMAGES, 2):
            damage(segment, chance)
        left = _readable_flows(made.state / "spool")
        made.start_kproxy()
        made.gate.open()
        made.settle()
        booked = made.watch.dropped()["spool_corrupt"]
        made.unheard_reason = "set aside with its file"
        made.unheard = waiting - left - booked
        return made.end()


def _flows_on_disk(spool: Path) -> int:
    return sum(flows for file in spool.glob("*.seg") for flows in _records(file.read_bytes()))


def _readable_flows(spool: Path) -> int:
    whole = [file for file in spool.glob("*.seg") if file.read_bytes()[:8] == b"KPspool\x01"]
    return sum(flows for file in whole for flows in _records(file.read_bytes()))


def _records(data: bytes) -> Iterator[int]:
    """Flows of each whole record that waits, found as the layout in ``kproxy_tw.deliver.spool.record`` says."""
    import zlib

    at = data.find(b"KPsr")
    while at >= 0:
        head, size = data[at : at + 64], int.from_bytes(data[at + 8 : at + 12], "big")
        body = data[at + 64 : at + 64 + size]
        whole = (
            len(body) == size
            and zlib.crc32(head[8:60], zlib.crc32(head[:6])) == int.from_bytes(head[60:64], "big")
            and zlib.crc32(body) == int.from_bytes(head[56:60], "big")
        )
        if whole and head[6:8] != b"\xff\xff":
            yield int.from_bytes(head[12:16], "big")
        at = data.find(b"KPsr", at + 64 + size if whole else at + 1)


def store_full(directory: Path, chance: random.Random) -> Outcome:
    """F32, its second half: kcollect's disk is full; it acknowledges nothing that it has not stored, and recovers."""
    with small_disk(directory / "data", f"size={chance.randint(3, 5)}m"), chain(directory) as made:
        made.load(6000)
        made.wait(lambda: made.on_disk() > 0, "kcollect's disk does not become full", 90.0)
        time.sleep(chance.uniform(2.0, 5.0))
        made.quiet()
        assert made.kcollect is not None and made.kcollect.process.poll() is None, "kcollect ended"
        call("mount", "-o", "remount,size=200m", str(made.data))
        made.settle()
        return made.end()
