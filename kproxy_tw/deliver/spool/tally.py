"""What the books said when they were last written beside the spool: after a crash, the next run can tell what is gone.

The file ``tally`` has two slots of 512 bytes, written in turn, so that one of them is whole whatever happens:

========  ======  =====================================================
offset    bytes   meaning
========  ======  =====================================================
0         4       magic ``KPst``
4         4       version of this layout, 1
8         8       generation: the slot with the higher one is the later
16        16      instance: the UUID of the run that wrote it
32        8       milliseconds since 1970
40        8       flows that this run has received, those found on disk included
48        8       of them, those without a fate
56        8       of these, those on disk
64        8       1: the run ended in order
72        436     zero
508       4       CRC-32 of all before
========  ======  =====================================================

All numbers are in network order.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from uuid import UUID

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.ledger import Ledger
from kproxy_tw.reader import unpacker

MAGIC = b"KPst"
VERSION = 1
SLOT_BYTES = 512
SLOTS = 2

_unpack = unpacker("IQQQQQQQQ")
_checksum = unpacker("I")
_CHECKSUM_AT = SLOT_BYTES - 4


@attrs.frozen
class Books:
    """Flows received so far, and those of them without a fate."""

    received: int
    in_flight: int

    @classmethod
    def of(cls, ledgers: Collection[Ledger]) -> Books:
        """The sum of some ledgers."""
        return cls(
            received=sum(ledger.records_received for ledger in ledgers),
            in_flight=sum(ledger.records_in_flight for ledger in ledgers),
        )


@attrs.frozen(kw_only=True)
class Tally:
    """The books of one run at one moment; see the module for the fields."""

    instance: UUID
    written_ms: int = 0
    received: int = 0
    in_flight: int = 0
    on_disk: int = 0
    ended: bool = False

    @classmethod
    def of(cls, instance: UUID, wall: float, books: Books, on_disk: int, *, ended: bool = False) -> Tally:
        """The tally of a run. :param wall: seconds since 1970. :param on_disk: flows."""
        return cls(
            instance=instance,
            written_ms=round(wall * 1000),
            received=books.received,
            in_flight=books.in_flight,
            on_disk=on_disk,
            ended=ended,
        )

    @property
    def in_memory_alone(self) -> int:
        """Flows that a crash at that moment would have cost at most: those without a fate that the disk had not."""
        return 0 if self.ended else max(0, self.in_flight - self.on_disk)


def encode_slot(tally: Tally, generation: int) -> bytes:
    """One slot."""
    numbers = (tally.written_ms, tally.received, tally.in_flight, tally.on_disk, int(tally.ended))
    head = b"".join(
        (
            MAGIC,
            VERSION.to_bytes(4, "big"),
            generation.to_bytes(8, "big"),
            tally.instance.bytes,
            *(number.to_bytes(8, "big") for number in numbers),
        )
    ).ljust(_CHECKSUM_AT, b"\0")
    return head + zlib.crc32(head).to_bytes(4, "big")


def parse_slot(data: bytes) -> tuple[int, Tally]:
    """The generation and the tally of a slot. :raises MalformedInput: it is damaged, or of another version."""
    if len(data) != SLOT_BYTES or data[:4] != MAGIC:
        raise MalformedInput("this is no slot of a tally")
    if _checksum(data, _CHECKSUM_AT) != (zlib.crc32(data[:_CHECKSUM_AT]),):
        raise MalformedInput("the slot is damaged")
    version, generation, high, low, written_ms, received, in_flight, on_disk, ended = _unpack(data, 4)
    if version != VERSION:
        raise MalformedInput(f"the slot is of version {version}")
    tally = Tally(
        instance=UUID(int=high << 64 | low),
        written_ms=written_ms,
        received=received,
        in_flight=in_flight,
        on_disk=on_disk,
        ended=ended == 1,
    )
    return generation, tally


def latest(data: bytes) -> tuple[int, Tally | None]:
    """The later of the slots that can be read, and its generation; 0 and ``None`` when there is none."""
    found: tuple[int, Tally | None] = (0, None)
    for slot in range(SLOTS):
        try:
            generation, tally = parse_slot(data[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES])
        except MalformedInput:
            continue
        if generation > found[0]:
            found = generation, tally
    return found
