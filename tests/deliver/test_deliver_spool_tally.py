"""The tally beside the spool: two slots, one of which is whole whatever happens."""

from __future__ import annotations

import struct
from pathlib import Path
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.deliver.spool.tally import SLOT_BYTES, SLOTS, Tally, encode_slot, latest, parse_slot
from kproxy_tw.deliver.spool.tallyfile import FILE_NAME, TallyFile
from kproxy_tw.errors import MalformedInput

RUN = UUID("0d1f8f2e-7d3a-4f0e-9a55-5d6c3c0f6e11")


def tally(received: int, *, in_flight: int = 0, on_disk: int = 0, ended: bool = False) -> Tally:
    """One of this run."""
    return Tally(instance=RUN, received=received, in_flight=in_flight, on_disk=on_disk, ended=ended)


def written(directory: Path, *tallies: Tally) -> Path:
    """A file in which these were written one after the other."""
    file = TallyFile(directory)
    file.open()
    for each in tallies:
        file.write(each, synchronize=True)
    file.close()
    return directory / FILE_NAME


def previous(directory: Path) -> Tally | None:
    """What the next run finds."""
    file = TallyFile(directory)
    file.open()
    file.close()
    return file.previous


def test_the_layout_is_the_documented_one() -> None:
    """Offsets as the module's table has them."""
    slot = encode_slot(tally(7, in_flight=5, on_disk=3, ended=True), 9)
    assert len(slot) == 512
    assert struct.unpack("!4sIQ16sQQQQQ", slot[:72]) == (b"KPst", 1, 9, RUN.bytes, 0, 7, 5, 3, 1)
    assert slot[72:508] == bytes(436)


def test_the_later_one_counts(tmp_path: Path) -> None:
    """However many were written."""
    for last in range(1, 6):
        written(tmp_path, *(tally(number) for number in range(1, last + 1)))
        found = previous(tmp_path)
        assert found is not None
        assert found.received == last


def test_a_damaged_slot_gives_way_to_the_other(tmp_path: Path) -> None:
    """Torn while it was written, say; with both damaged nothing is known, and the file is used all the same."""
    path = written(tmp_path, tally(1), tally(2))
    whole = path.read_bytes()
    for slot, left in ((0, 1), (1, 2)):
        data = bytearray(whole)
        data[slot * SLOT_BYTES + 45] ^= 1
        path.write_bytes(data)
        found = previous(tmp_path)
        assert found is not None
        assert found.received == left
    path.write_bytes(bytes(len(whole)))
    assert previous(tmp_path) is None
    written(tmp_path, tally(3))
    found = previous(tmp_path)
    assert found is not None
    assert found.received == 3


def test_what_a_crash_cost_is_what_memory_alone_had() -> None:
    """Nothing after a stop in order, never less than nothing."""
    assert tally(10, in_flight=6, on_disk=4).in_memory_alone == 2
    assert tally(10, in_flight=4, on_disk=6).in_memory_alone == 0
    assert tally(10, in_flight=6, on_disk=4, ended=True).in_memory_alone == 0


@given(st.binary(max_size=SLOTS * SLOT_BYTES + 10))
def test_any_bytes_are_tallies_or_none(data: bytes) -> None:
    """Nothing else comes out."""
    assert latest(data) == (0, None)
    try:
        parse_slot(data[:SLOT_BYTES])
    except MalformedInput:
        return
    raise AssertionError("a slot without a check sum")
