"""MemoryStore: the file with the exporters' state."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import time

from twisted.logger import Logger

from kproxy_tw.devices.memory.lines import SavedLine, enclosed, lines_in
from kproxy_tw.devices.store import DIRECTORY_MODE, replace_file, set_aside
from kproxy_tw.errors import MalformedInput, StoreError
from kproxy_tw.offload import Offload

FILE_NAME = "exporters.jsonl"
MAX_BYTES = 64 << 20
"""A larger file is not written; one that is there was not written by us."""


class MemoryStore:
    """One file in the state directory.

    :param directory: created, for its owner only, when it is not there.
    :param offload: where the disk is waited for.
    :param wall: seconds since 1970.
    """

    log = Logger()

    def __init__(self, directory: Path, *, offload: Offload, wall: Callable[[], float] = time) -> None:
        self.path = directory / FILE_NAME
        self._offload = offload
        self._wall = wall

    async def load(self) -> dict[str, SavedLine]:
        """The lines saved last by session key; none when there is no file. A damaged one is set aside.

        :raises StoreError: the file is there and cannot be read or set aside.
        """
        try:
            return await self._offload(self._read)
        except MalformedInput as problem:
            aside = await self._offload(partial(set_aside, self.path, self._wall()))
            self.log.warn(
                "the saved state of exporters {path} is damaged ({problem}); it is now {aside}; templates are"
                " learned anew",
                path=str(self.path),
                problem=str(problem),
                aside=aside.name,
            )
            return {}

    async def save(self, lines: Sequence[bytes]) -> None:
        """Put ``lines`` in the place of what was saved, completely or not at all. :raises StoreError: disk."""
        await self._offload(partial(self._write, tuple(lines)))

    async def told(self, known: str) -> tuple[str, bytes | None]:
        """The version of the file and its bytes; no bytes when ``known`` is its version, or it is not there.

        :raises StoreError: it is there and cannot be read.
        """
        return await self._offload(partial(self._tell, known))

    def _tell(self, known: str) -> tuple[str, bytes | None]:
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                version = f'"{found.st_mtime_ns}-{found.st_size}"'
                return version, None if version == known else file.read(MAX_BYTES)
        except FileNotFoundError:
            return "", None
        except OSError as problem:
            raise StoreError(f"cannot read {self.path}: {problem.strerror}") from problem

    def _read(self) -> dict[str, SavedLine]:
        try:
            with self.path.open("rb") as file:
                body = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return {}
        except OSError as problem:
            raise StoreError(f"cannot read {self.path}: {problem.strerror}") from problem
        if len(body) > MAX_BYTES:
            raise MalformedInput(f"more than {MAX_BYTES} bytes")
        return lines_in(body)

    def _write(self, lines: Sequence[bytes]) -> None:
        try:
            self.path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            replace_file(self.path, enclosed(lines, self._wall()))
        except OSError as problem:
            raise StoreError(f"cannot write {self.path}: {problem.strerror}; see -state_dir") from problem
