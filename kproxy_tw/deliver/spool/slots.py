"""A small state file of two slots, written in turn: whenever a crash comes, one of them is whole."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import unpacker

SLOT_BYTES = 512
MAGIC = b"KPst"
_HEAD = "QHI"
_HEAD_BYTES = 4 + 8 + 2 + 4
_unpack = unpacker(_HEAD)


class Slots:
    """Keeps one JSON object of at most 494 bytes.

    :param path: the file; it is made when something is first saved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._generation = 0

    def load(self) -> dict[str, Any]:
        """What was saved last; empty when nothing was, or nothing can be read."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return {}
        found = [parsed for start in (0, SLOT_BYTES) if (parsed := _parsed(data[start : start + SLOT_BYTES]))]
        if not found:
            return {}
        self._generation, content = max(found, key=lambda pair: pair[0])
        return content

    def save(self, content: dict[str, Any]) -> None:
        """Replace it, and wait until it is on the disk.

        :raises ValueError: it is too long.
        :raises OSError: it cannot be written; what was saved before is still there.
        """
        data = json.dumps(content, separators=(",", ":")).encode()
        if len(data) > SLOT_BYTES - _HEAD_BYTES:
            raise ValueError(f"a state of {len(data)} bytes does not fit")
        generation = self._generation + 1
        head = generation.to_bytes(8, "big") + len(data).to_bytes(2, "big")
        slot = MAGIC + head + zlib.crc32(head + data).to_bytes(4, "big") + data
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, slot.ljust(SLOT_BYTES, b"\0"), SLOT_BYTES * (generation % 2))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        self._generation = generation


def _parsed(slot: bytes) -> tuple[int, dict[str, Any]] | None:
    if slot[:4] != MAGIC:
        return None
    try:
        generation, size, checksum = _unpack(slot, 4)
        data = slot[_HEAD_BYTES : _HEAD_BYTES + size]
        if zlib.crc32(slot[4:14] + data) != checksum:
            return None
        content = json.loads(data)
    except (MalformedInput, ValueError):
        return None
    return (generation, content) if isinstance(content, dict) else None
