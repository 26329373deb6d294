"""DeadLetterStore: refused messages as files, so that somebody can look at them, or post them again.

A file holds the body of one POST as it was sent; its name tells when, what the backend answered, and which message
it is: ``<milliseconds since 1970>-<status>-<device>-<sequence>.kflow``, the part behind the sequence where it is one
(``BatchId``). When the directory is full, the oldest go.
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import Lock

SUFFIX = ".kflow"
MAX_BYTES = 64 << 20


class DeadLetterStore:
    """Plain blocking code; several threads may use it.

    :param directory: made when the first message comes.
    :param max_bytes: of all files together.
    """

    def __init__(self, directory: Path, max_bytes: int = MAX_BYTES) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._lock = Lock()

    def keep(self, name: str, body: bytes) -> None:
        """Write a file; older ones give way. :raises OSError: the disk does not take it."""
        with self._lock:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._make_room(len(body)):
                return
            descriptor = os.open(self._directory / f"{name}{SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(body)

    def _make_room(self, size: int) -> bool:
        files = sorted(self._directory.glob(f"*{SUFFIX}"))
        sizes = [file.stat().st_size for file in files]
        total = sum(sizes)
        for file, each in zip(files, sizes, strict=True):
            if total + size <= self._max_bytes:
                break
            file.unlink()
            total -= each
        return total + size <= self._max_bytes
