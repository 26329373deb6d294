"""The mapping of routers to source addresses on the disk: one file, replaced whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from time import gmtime, strftime, time

from twisted.logger import Logger

from kproxy_tw.collector.bgp_target.sources import MAX_BYTES, Router, Source, SourceMap, document
from kproxy_tw.errors import MalformedInput, StoreError

GATHER_SECONDS = 0.05
"""New routers that come within this time are written down together."""

FILE_NAME = "bgp-sources.json"
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


class SourceFile:
    """``bgp-sources.json`` in ``directory``. All methods block."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME

    def read(self) -> bytes | None:
        """What was written last; ``None`` when nothing was. :raises StoreError: it cannot be read."""
        try:
            with self.path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise StoreError(f"cannot read {self.path}: {problem.strerror}") from None

    def set_aside(self) -> Path:
        """Rename a damaged file. :raises StoreError: that fails."""
        aside = self.path.with_name(self.path.name + strftime(".bad-%Y%m%dT%H%M%SZ", gmtime(time())))
        try:
            return self.path.rename(aside)
        except OSError as problem:
            raise StoreError(f"cannot rename {self.path}: {problem.strerror}") from None

    def write(self, body: bytes) -> None:
        """Replace the file durably, completely or not at all. :raises StoreError: disk."""
        temporary = self.path.with_name(self.path.name + ".tmp")
        try:
            self.path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            # O_EXCL: never through a link that somebody else put there.
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self.path)
            self._sync_directory()
        except OSError as problem:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise StoreError(f"cannot write {self.path}: {problem.strerror}; see -data") from None

    def _sync_directory(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class KeptSources:
    """The mapping, in memory and on the disk."""

    log = Logger()

    def __init__(self, sources: SourceMap, file: SourceFile) -> None:
        self.sources = sources
        self._file = file
        self._writing = asyncio.Lock()
        self._newest = 0
        self._written = 0

    def load(self) -> None:
        """Take over what is on the disk; blocks. A damaged file is set aside.

        :raises StoreError: the file cannot be read.
        """
        body = self._file.read()
        if body is None:
            return
        try:
            left_out = self.sources.load(body)
        except MalformedInput as problem:
            aside = self._file.set_aside()
            self.log.warn(
                "{path} is damaged ({problem}); it is now {aside}, and routers get new source addresses",
                path=str(self._file.path),
                problem=str(problem),
                aside=aside.name,
            )
            return
        if left_out:
            self.log.warn(
                "{count} routers get a new source address: theirs is not in {network}",
                count=left_out,
                network=str(self.sources.network),
            )

    async def take(self, router: Router, now: float, in_use: Collection[str]) -> str:
        """The source address of a router; a new one is on the disk before it is used, unless the disk says no.

        :raises NoSourceLeft: every address has a session.
        """
        address, is_new = self.sources.take(router, now, in_use)
        if is_new:
            self._newest += 1
            await asyncio.shield(self._save(self._newest))
        return address

    def save(self) -> None:
        """Write it down; blocks. Logs when that fails."""
        try:
            self._file.write(document(self.sources.all()))
        except StoreError as problem:
            self._complain(problem)

    async def _save(self, wanted: int) -> None:
        """Write until ``wanted`` is on the disk; those who wait for the disk meanwhile are written together."""
        async with self._writing:
            if self._written >= wanted:
                return
            await asyncio.sleep(GATHER_SECONDS)
            newest, sources = self._newest, self.sources.all()
            try:
                await asyncio.to_thread(self._write, sources)
                self._written = newest
            except StoreError as problem:
                self._complain(problem)

    def _write(self, sources: Iterable[Source]) -> None:
        self._file.write(document(sources))

    def _complain(self, problem: StoreError) -> None:
        self.log.warn("after a restart the BGP daemon may see routers as other neighbors: {why}", why=str(problem))
