"""How one message lies in a segment: a header of 64 bytes with its own checksum, then the body.

========  ======  =====================================================
offset    bytes   meaning
========  ======  =====================================================
0         4       magic ``KPsr``
4         1       version of this layout, 1
5         1       length of the header, 64
6         2       0: waits; ``0xFFFF``: done (outside of the checksum, the only thing ever written again)
8         4       length of the body
12        4       flows in it
16        16      instance: the UUID of the run that made the message
32        4       part of the message, 0 for all of it
36        4       device id
40        8       sequence of the message within instance and device
48        8       milliseconds since 1970 when it was made
56        4       CRC-32 of the body
60        4       CRC-32 of bytes 0 to 5 and 8 to 59
========  ======  =====================================================

All numbers are in network order. There are no credentials in it: whoever sends the message adds them.
"""

from __future__ import annotations

import zlib
from uuid import UUID

import attrs

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import unpacker

MAGIC = b"KPsr"
VERSION = 1
HEADER_LENGTH = 64
STATE_OFFSET = 6
DONE = b"\xff\xff"

MAX_BODY = 64 << 20
"""A header that claims more is damaged: no message is so long."""

_unpack = unpacker("IIQQIIQQI")
_checksum = unpacker("I")


Origin = tuple[UUID, int]
"""The run that made messages, and the device they are of."""


@attrs.frozen(slots=True)
class BatchId:
    """What tells a message from all others, for ever; the same in each attempt to deliver it.

    A message that is too large for the backend goes in halves, and these may go in halves again: ``part`` is 0 for the
    whole, ``2 p + 1`` and ``2 p + 2`` for the halves of part ``p``. Whoever has the name of a part thus knows what it
    is a part of.

    :ivar instance: the run of the program that made it.
    """

    instance: UUID
    device_id: int
    sequence: int
    part: int = 0

    @property
    def origin(self) -> Origin:
        """Whose books its flows stand in."""
        return self.instance, self.device_id

    @property
    def halves(self) -> tuple[BatchId, BatchId]:
        """What the two halves of the message are called."""
        return attrs.evolve(self, part=2 * self.part + 1), attrs.evolve(self, part=2 * self.part + 2)

    def __str__(self) -> str:
        whole = f"{self.instance}:{self.device_id}:{self.sequence}"
        return f"{whole}:{self.part}" if self.part else whole


@attrs.frozen(slots=True)
class Header:
    """What is known of a message without its body.

    :ivar size: bytes of the body.
    :ivar created_ms: milliseconds since 1970.
    :ivar done: whether it needs no delivery any more.
    """

    batch: BatchId
    flows: int
    size: int
    created_ms: int
    body_checksum: int
    done: bool

    @property
    def length(self) -> int:
        """Bytes of the whole record."""
        return HEADER_LENGTH + self.size

    def fits(self, body: bytes) -> bool:
        """Whether ``body`` is what was written."""
        return len(body) == self.size and zlib.crc32(body) == self.body_checksum


@attrs.frozen(slots=True)
class SpoolRecord:
    """One message as it is kept on disk.

    :ivar body: what goes on the wire.
    :ivar flows: how many records it holds, for the ledger.
    :ivar created_ms: milliseconds since 1970.
    """

    batch: BatchId
    flows: int
    created_ms: int
    body: bytes

    @property
    def length(self) -> int:
        """Bytes on disk."""
        return HEADER_LENGTH + len(self.body)


def encode_header(record: SpoolRecord) -> bytes:
    """What stands in front of the record's body."""
    if len(record.body) > MAX_BODY:
        raise ValueError(f"a message of {len(record.body)} bytes is too long for the spool")
    batch = record.batch
    head = b"".join(
        (
            MAGIC,
            bytes([VERSION, HEADER_LENGTH, 0, 0]),
            len(record.body).to_bytes(4, "big"),
            record.flows.to_bytes(4, "big"),
            batch.instance.bytes,
            batch.part.to_bytes(4, "big"),
            batch.device_id.to_bytes(4, "big"),
            batch.sequence.to_bytes(8, "big"),
            record.created_ms.to_bytes(8, "big"),
            zlib.crc32(record.body).to_bytes(4, "big"),
        )
    )
    return head + _header_checksum(head).to_bytes(4, "big")


def parse_header(data: bytes) -> Header:
    """Read a header back.

    :param data: at least its 64 bytes.
    :raises MalformedInput: it is damaged, or of another version.
    """
    if data[:4] != MAGIC:
        raise MalformedInput("no record begins here")
    if len(data) < HEADER_LENGTH or data[4:6] != bytes([VERSION, HEADER_LENGTH]):
        raise MalformedInput("the record is of another version, or cut")
    if _checksum(data, HEADER_LENGTH - 4) != (_header_checksum(data[: HEADER_LENGTH - 4]),):
        raise MalformedInput("the record's header is damaged")
    size, flows, high, low, part, device_id, sequence, created_ms, body_checksum = _unpack(data, 8)
    if size > MAX_BODY:
        raise MalformedInput(f"the record claims a body of {size} bytes")
    return Header(
        batch=BatchId(UUID(int=high << 64 | low), device_id, sequence, part),
        flows=flows,
        size=size,
        created_ms=created_ms,
        body_checksum=body_checksum,
        done=data[STATE_OFFSET : STATE_OFFSET + 2] == DONE,
    )


def _header_checksum(head: bytes) -> int:
    return zlib.crc32(head[STATE_OFFSET + 2 :], zlib.crc32(head[:STATE_OFFSET]))
