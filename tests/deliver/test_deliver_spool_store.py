"""The spool against a model, and against every kind of damage."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.deliver.spool.limits import Lost, SpoolLimits
from kproxy_tw.deliver.spool.record import HEADER_LENGTH, BatchId, SpoolRecord, encode_header, parse_header
from kproxy_tw.deliver.spool.segment import HEAD, SUFFIX, Place
from kproxy_tw.deliver.spool.store import Spool
from kproxy_tw.errors import ConfigError, MalformedInput

INSTANCE = UUID("0d1f8f2e-7d3a-4f0e-9a55-5d6c3c0f6e11")
PLENTY = 1 << 40
NOBODY = 65534
SMALL = SpoolLimits(max_bytes=64 << 10, segment_bytes=8 << 10, device_part=1.0, free_bytes=0)


def record(sequence: int, device: int = 1, size: int = 1000) -> SpoolRecord:
    """A message whose body tells its sequence."""
    body = (f"{device}/{sequence};".encode() * size)[:size]
    return SpoolRecord(
        BatchId(INSTANCE, device, sequence), flows=sequence % 7 + 1, created_ms=10**12 + sequence, body=body
    )


def encode(written: SpoolRecord) -> bytes:
    """A whole record."""
    return encode_header(written) + written.body


@attrs.frozen
class Usage:
    """A file system of that size with so much room."""

    total: int = PLENTY
    free: int = PLENTY


def opened(directory: Path, limits: SpoolLimits = SMALL, usage: Usage = Usage()) -> Spool:
    """A spool that is open and has taken stock."""
    spool = Spool(directory, limits, wall=lambda: 10**9, usage=lambda _path: usage)
    spool.open()
    while spool.take_stock():
        pass
    return spool


def places(found: list[Place | None]) -> list[Place]:
    """The places, all of which must be there."""
    assert None not in found
    return [place for place in found if place is not None]


def everything(spool: Spool) -> list[SpoolRecord]:
    """All that waits, taken one by one and done."""
    records = []
    while (taken := spool.take(1)[0]) != []:
        records += [stored.record for stored in taken]
        spool.done([stored.place for stored in taken])
    return records


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.binary(max_size=300))
def test_a_record_is_read_as_it_was_written(sequence: int, flows: int, body: bytes) -> None:
    """Header and checksum of the body survive."""
    written = SpoolRecord(BatchId(INSTANCE, 77, sequence), flows, 1_700_000_000_123, body)
    header = parse_header(encode(written))
    assert (header.batch, header.flows, header.created_ms) == (written.batch, flows, 1_700_000_000_123)
    assert header.fits(body)
    assert not header.fits(body + b"x")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_malformed(data: bytes) -> None:
    """Nothing else comes out of the parser."""
    try:
        parse_header(data)
    except MalformedInput:
        return


@given(st.integers(0, HEADER_LENGTH - 1), st.integers(1, 255))
def test_every_flipped_byte_of_a_header_is_noticed(offset: int, flip: int) -> None:
    """Only the two bytes that say "done" are outside of the checksum."""
    data = bytearray(encode(record(5)))
    data[offset] ^= flip
    if 6 <= offset < 8:
        assert parse_header(bytes(data)).batch.sequence == 5
    else:
        with pytest.raises(MalformedInput):
            parse_header(bytes(data))


def test_what_was_not_done_is_there_after_a_restart_in_order(tmp_path: Path) -> None:
    """Across segments; what was done is not."""
    spool = opened(tmp_path)
    found = places(spool.append([record(number) for number in range(20)])[0])
    spool.done(found[3:6])
    spool.close()
    again = opened(tmp_path)
    assert again.status().messages == 17
    assert [each.batch.sequence for each in everything(again)] == [0, 1, 2, *range(6, 20)]
    assert again.status().messages == 0
    assert len(list(tmp_path.glob(f"*{SUFFIX}"))) == 0


def test_what_is_out_is_not_taken_until_it_is_released(tmp_path: Path) -> None:
    """A record that memory still delivers is not delivered from the disk at the same time, and later once."""
    spool = opened(tmp_path)
    found = places(spool.append([record(1), record(2)])[0])
    assert spool.take(1 << 20) == ([], [])
    spool.release(found)
    taken, _lost = spool.take(1 << 20)
    assert [stored.record for stored in taken] == [record(1), record(2)]
    assert spool.take(1 << 20) == ([], [])


def test_the_oldest_segment_gives_way(tmp_path: Path) -> None:
    """Of 100 messages of 1,064 bytes, 64 KiB hold some sixty, the newest; the others are counted."""
    spool = opened(tmp_path)
    lost: list[Lost] = []
    for number in range(100):
        found, gone = spool.append([record(number)])
        spool.release(places(found))
        lost += gone
    kept = [each.batch.sequence for each in everything(spool)]
    assert kept == list(range(100 - len(kept), 100))
    assert 45 <= len(kept) <= 61
    assert sum(each.messages for each in lost) == 100 - len(kept)
    assert sum(each.flows for each in lost) == sum(number % 7 + 1 for number in range(100 - len(kept)))
    assert {each.reason for each in lost} == {"spool_full"}


def test_what_is_out_is_not_lost_with_its_segment(tmp_path: Path) -> None:
    """Memory still has it: the ledger must not count it twice."""
    spool = opened(tmp_path)
    held = places(spool.append([record(0)])[0])
    lost = [gone for number in range(1, 100) for gone in spool.append([record(number)])[1]]
    assert lost == []
    spool.done(held)


def test_the_newest_is_refused_when_asked_to(tmp_path: Path) -> None:
    """``drop_newest``: what is there stays."""
    spool = opened(tmp_path, SpoolLimits(max_bytes=8 << 10, drop_newest=True, device_part=1.0, free_bytes=0))
    found = [spool.append([record(number)])[0][0] for number in range(20)]
    assert [place is not None for place in found] == [True] * 7 + [False] * 13


def test_one_device_cannot_fill_it(tmp_path: Path) -> None:
    """Half is its part by default: of 40 messages, 32 KiB hold the newest; other devices lose nothing."""
    spool = opened(tmp_path, SpoolLimits(max_bytes=64 << 10, segment_bytes=8 << 10, free_bytes=0))
    spool.release(places(spool.append([record(0, device=2)])[0]))
    lost: list[Lost] = []
    for number in range(40):
        found, gone = spool.append([record(number)])
        spool.release(places(found))
        lost += gone
    kept = everything(spool)
    assert kept[0] == record(0, device=2)
    assert [each.batch.sequence for each in kept[1:]] == list(range(40 - len(kept) + 1, 40))
    assert (32 << 10) // 1064 - 8 <= len(kept) - 1 <= (32 << 10) // 1064
    assert sum(each.messages for each in lost) == 41 - len(kept)
    assert {(each.origin, each.reason) for each in lost} == {((INSTANCE, 1), "spool_full")}


def test_the_file_system_keeps_its_floor(tmp_path: Path) -> None:
    """Nothing is written that would leave less free than promised."""
    spool = opened(tmp_path, SpoolLimits(free_bytes=10_000), Usage(free=11_000))
    assert spool.append([record(1, size=900)])[0] != [None]
    assert spool.append([record(2, size=1000)])[0] == [None]


def test_a_small_file_system_keeps_a_twentieth(tmp_path: Path) -> None:
    """Of 100,000 bytes 5,000 stay free, not 512 MiB."""
    spool = opened(tmp_path, SpoolLimits(), Usage(total=100_000, free=6_100))
    assert spool.append([record(1, size=1000)])[0] != [None]
    assert spool.append([record(2, size=1100)])[0] == [None]


def test_a_start_reads_nothing_of_the_backlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the eight bytes that a segment begins with; what waits is found a segment at a time, and all is there."""
    spool = opened(tmp_path)
    spool.append([record(number) for number in range(8)])
    spool.append([record(number) for number in range(8, 16)])
    spool.close()
    again = Spool(tmp_path, SMALL, wall=lambda: 10**9, usage=lambda _path: Usage())
    with monkeypatch.context() as counted:
        read: list[int] = []
        real = os.pread

        def watched(descriptor: int, size: int, offset: int) -> bytes:
            read.append(size)
            return real(descriptor, size, offset)

        counted.setattr(os, "pread", watched)
        again.open()
    assert sum(read) <= 2 * len(HEAD) + 1024
    assert again.take(1 << 20) == ([], [])
    new = places(again.append([record(99)])[0])
    assert again.take_stock()
    assert 0 < again.inherited.flows < sum(number % 7 + 1 for number in range(16))
    while again.take_stock():
        pass
    assert again.inherited.flows == sum(number % 7 + 1 for number in range(16))
    assert [each.batch.sequence for each in everything(again)] == list(range(16))
    again.release(new)
    assert [each.batch.sequence for each in everything(again)] == [99]


def test_what_must_give_way_unread_is_counted(tmp_path: Path) -> None:
    """A full spool drops its oldest segment at once after a start, and knows what was in it."""
    spool = opened(tmp_path)
    for number in range(50):
        spool.release(places(spool.append([record(number)])[0]))
    spool.close()
    again = Spool(tmp_path, SMALL, wall=lambda: 10**9, usage=lambda _path: Usage())
    again.open()
    _found, lost = again.append([record(100 + number) for number in range(20)])
    gone = sum(each.messages for each in lost)
    assert gone > 0
    while again.take_stock():
        pass
    assert again.inherited.flows == sum(number % 7 + 1 for number in range(50))
    assert [each.batch.sequence for each in everything(again)] == list(range(gone, 50))


def test_marks_that_the_disk_refuses_cost_nothing_but_a_repetition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was delivered does not come again in this run; the next one finds it, under its old name."""
    spool = opened(tmp_path, SpoolLimits(free_bytes=0))
    found = places(spool.append([record(1), record(2)])[0])

    def fails(*_call: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", fails)
        spool.done(found)
    assert (spool.status().messages, spool.refusals) == (0, 2)
    spool.close()
    assert [each.batch.sequence for each in everything(opened(tmp_path))] == [1, 2]


def test_what_gave_way_before_a_failed_write_is_told_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The books must not lose it."""
    spool = opened(tmp_path)
    for number in range(50):
        spool.release(places(spool.append([record(number)])[0]))

    def fails(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fails)
        with pytest.raises(OSError, match="Input/output"):
            spool.append([record(100 + number) for number in range(20)])
    left = spool.status().messages
    assert left < 50
    _found, lost = spool.append([record(200)])
    assert sum(each.messages for each in lost) == 50 - left


def test_what_is_out_when_its_segment_gives_way_is_lost_only_if_nobody_delivers_it(tmp_path: Path) -> None:
    """The first three are with a sender when the disk lets them go: it delivers two, and gives up one."""
    spool = opened(tmp_path)
    held = places(spool.append([record(number) for number in range(3)])[0])
    told: list[Lost] = []
    for number in range(3, 100):
        found, lost = spool.append([record(number)])
        told += [*lost, *spool.release(places(found))]
    left = spool.status().messages
    assert sum(each.messages for each in told) == 100 - 3 - left
    spool.done(held[:2])
    assert spool.release(held) == [Lost((INSTANCE, 1), 1, 2 % 7 + 1, "spool_full")]
    assert spool.release(held) == []
    assert spool.status().messages == left


def test_old_segments_expire(tmp_path: Path) -> None:
    """With an age limit, segments go whose successor is too old as well."""
    now = [10**9 + 0.0]
    limits = SpoolLimits(max_bytes=1 << 20, segment_bytes=2000, free_bytes=0, max_age_seconds=3600)
    spool = Spool(tmp_path, limits, wall=lambda: now[0], usage=lambda _path: Usage())
    spool.open()
    for number in range(6):
        spool.release(places(spool.append([record(number)])[0]))
    now[0] += 3601
    _found, lost = spool.append([record(6)])
    assert sum(each.messages for each in lost) == 4
    assert {each.reason for each in lost} == {"spool_expired"}


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Two writers would mix their records."""
    spool = opened(tmp_path)
    with pytest.raises(ConfigError, match="in use"):
        opened(tmp_path)
    spool.close()
    opened(tmp_path).close()


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without root's rights for as long, where it has them."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("mode", [0o000, 0o500, 0o300], ids=["nothing", "no writing", "no reading"])
def test_a_directory_without_the_rights_is_set_aside_with_all_that_is_in_it(mode: int) -> None:
    """As somebody leaves it who tried the daemon as another user: a new one is made and used, with its rights."""
    with TemporaryDirectory() as state:
        os.chown(state, NOBODY if os.geteuid() == 0 else -1, -1)
        directory = Path(state, "spool")
        with unprivileged():
            spool = opened(directory)
            spool.append([record(1)])
            spool.close()
            directory.chmod(mode)
            spool = opened(directory)
            assert spool.set_aside == [Path(state, "spool.bad-1000000000")]
            assert spool.status().messages == 0
            spool.append([record(2)])
            spool.close()
            assert directory.stat().st_mode & 0o777 == 0o700
            spool.set_aside[0].chmod(0o700)
            assert [each.batch.sequence for each in everything(opened(spool.set_aside[0]))] == [1]


@pytest.mark.parametrize("name", ["lock", "tally"])
def test_something_else_under_a_name_of_ours(tmp_path: Path, name: str) -> None:
    """What holds messages is used all the same where it can be: without a lock it cannot."""
    spool = opened(tmp_path / "spool")
    spool.append([record(1)])
    spool.close()
    (tmp_path / "spool" / name).unlink()
    (tmp_path / "spool" / name).mkdir()
    spool = opened(tmp_path / "spool")
    aside = {"lock": "spool.bad-1000000000", "tally": "spool/tally.bad-1000000000"}[name]
    assert spool.set_aside == [tmp_path / aside]
    assert spool.status().messages == {"lock": 0, "tally": 1}[name]


def test_what_cannot_be_renamed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost by it: the daemon goes on from memory."""
    (tmp_path / "spool").write_text("no directory")

    def fails(_path: Path, _target: Path) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="busy"):
        opened(tmp_path / "spool")
    assert (tmp_path / "spool").read_text() == "no directory"


def test_a_full_disk_is_no_reason_to_set_anything_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new directory would find no more room."""
    opened(tmp_path / "spool").close()

    def fails(*_call: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "open", fails)
        with pytest.raises(OSError, match="No space"):
            opened(tmp_path / "spool")
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Directory 0700, files 0600."""
    spool = opened(tmp_path / "spool")
    spool.append([record(1)])
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "spool").iterdir()} == {0o600}


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A closed spool with one segment of five messages."""
    spool = opened(tmp_path, SpoolLimits(free_bytes=0))
    spool.append([record(number) for number in range(5)])
    spool.close()
    return next(tmp_path.glob(f"*{SUFFIX}"))


LENGTH = record(0).length
FIRST = len(HEAD)


def cut(size: int) -> Callable[[Path], None]:
    """The file ends early."""
    return lambda path: os.truncate(path, size)


def overwrite(offset: int, data: bytes) -> Callable[[Path], None]:
    """Some bytes are others."""

    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    return damage


def extend(data: bytes) -> Callable[[Path], None]:
    """Something stands behind the last record."""

    def damage(path: Path) -> None:
        path.write_bytes(path.read_bytes() + data)

    return damage


DAMAGES = [
    pytest.param(cut(FIRST + 5 * LENGTH - 1), [0, 1, 2, 3], 0, id="last body cut"),
    pytest.param(cut(FIRST + 4 * LENGTH + 10), [0, 1, 2, 3], 0, id="last header cut"),
    pytest.param(cut(FIRST), [], 0, id="no record left"),
    pytest.param(overwrite(FIRST + LENGTH + 100, b"\xff"), [0, 2, 3, 4], 1, id="a body's byte"),
    pytest.param(overwrite(FIRST + LENGTH, b"\0"), [0, 2, 3, 4], 1, id="a magic"),
    pytest.param(overwrite(FIRST + LENGTH + 8, b"\x7f\xff\xff\xff"), [0, 2, 3, 4], 1, id="a length"),
    pytest.param(overwrite(FIRST + 2 * LENGTH, b"\0" * LENGTH), [0, 1, 3, 4], 1, id="a record of zeros"),
    pytest.param(overwrite(FIRST, b"\0" * (3 * LENGTH)), [3, 4], 1, id="three records of zeros"),
    pytest.param(overwrite(FIRST + 4 * LENGTH, b"\0" * LENGTH), [0, 1, 2, 3], 0, id="the last one, zeros"),
    pytest.param(extend(b"\0" * 5000), [0, 1, 2, 3, 4], 0, id="zeros behind"),
    pytest.param(extend(b"KPsr" * 50), [0, 1, 2, 3, 4], 0, id="magics behind"),
    pytest.param(extend(encode(record(9))[:-1]), [0, 1, 2, 3, 4], 0, id="a torn write behind"),
    pytest.param(extend(encode(record(9))), [0, 1, 2, 3, 4, 9], 0, id="a whole write that nobody waited for"),
]


@pytest.mark.parametrize(("damage", "left", "damaged"), DAMAGES)
def test_damage_costs_what_it_hits(full: Path, damage: Callable[[Path], None], left: list[int], damaged: int) -> None:
    """Everything else is delivered, and the damage is counted."""
    damage(full)
    spool = opened(full.parent, SpoolLimits(free_bytes=0))
    assert [each.batch.sequence for each in everything(spool)] == left
    assert spool.damaged == damaged
    assert spool.status().messages == 0


@pytest.mark.parametrize("content", [b"", b"KPspool\x02" + b"\0" * 100, b"garbage" * 50])
def test_a_foreign_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """It is renamed, not deleted, and the spool works."""
    (tmp_path / f"00000007{SUFFIX}").write_bytes(content)
    spool = opened(tmp_path)
    (aside,) = spool.set_aside
    assert aside.name == "00000007.bad-1000000000"
    assert aside.read_bytes() == content
    spool.append([record(1)])
    assert spool.status().messages == 1


def test_a_header_that_goes_bad_later_is_counted_as_lost(tmp_path: Path) -> None:
    """Bit rot after the start: the books still close and the segment goes."""
    spool = opened(tmp_path, SpoolLimits(free_bytes=0))
    found = places(spool.append([record(number) for number in range(3)])[0])
    spool.append([record(9, size=17 << 20)])  # a segment of its own follows
    spool.release(found)
    overwrite(found[1].offset, b"XXXX")(next(tmp_path.glob(f"00000001{SUFFIX}")))
    taken, lost = spool.take(1 << 20)
    assert [stored.record.batch.sequence for stored in taken] == [0, 2]
    assert [(each.messages, each.flows, each.reason) for each in lost] == [(1, 2, "spool_corrupt")]


def test_a_failed_write_keeps_nothing_and_the_next_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an error of the disk a segment is not trusted with more."""
    spool = opened(tmp_path)
    spool.append([record(1)])

    def fails(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fails)
        with pytest.raises(OSError, match="Input/output"):
            spool.append([record(2)])
    assert spool.status().messages == 1
    (place,) = places(spool.append([record(2)])[0])
    assert place.segment == 2


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("arrtdgR"), st.integers(0, 9), st.integers(0, 1500)), max_size=60))
def test_it_does_what_a_list_does(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]) -> None:
    """Append, release, take, done, restart in any order: each record has one fate, and none comes twice."""
    directory = tmp_path_factory.mktemp("model")
    spool = opened(directory, SpoolLimits(max_bytes=1 << 30, segment_bytes=3000, device_part=1.0, free_bytes=0))
    waiting: dict[int, SpoolRecord] = {}
    out: dict[int, Place] = {}
    for sequence, (step, number, size) in enumerate(steps):
        if step == "a":
            new = record(sequence, device=number, size=size)
            waiting[sequence], out[sequence] = new, places(spool.append([new])[0])[0]
        elif step in "rg" and out:
            chosen = list(out)[number % len(out)]
            spool.release([out.pop(chosen)])
        elif step == "t":
            taken, lost = spool.take(size)
            assert lost == []
            free = sorted(set(waiting) - set(out))
            assert [stored.record.batch.sequence for stored in taken] == free[: len(taken)]
            assert all(stored.record == waiting[stored.record.batch.sequence] for stored in taken)
            assert bool(taken) == bool(free and size)
            out |= {stored.record.batch.sequence: stored.place for stored in taken}
        elif step == "d" and out:
            chosen = list(out)[number % len(out)]
            spool.done([out.pop(chosen)])
            del waiting[chosen]
        elif step == "R":
            spool.close()
            out.clear()
            spool = opened(directory, SpoolLimits(max_bytes=1 << 30, segment_bytes=3000, device_part=1.0, free_bytes=0))
        assert spool.status().messages == len(waiting)
        assert spool.status().flows == sum(each.flows for each in waiting.values())
    spool.close()
    again = opened(directory)
    assert everything(again) == [waiting[sequence] for sequence in sorted(waiting)]


def test_the_oldest_is_the_oldest_that_waits(tmp_path: Path) -> None:
    """What has been delivered from a segment that is still written to does not count."""
    spool = opened(tmp_path)
    first, second = (attrs.evolve(record(number), created_ms=number * 1000) for number in (1, 2))
    spool.done(places(spool.append([first])[0]))
    assert spool.status().oldest_ms == 0
    spool.append([second])
    assert spool.status().oldest_ms == 2000
