"""MemoryService: keeps the exporters' state over a restart: loaded at the start, saved on change and at the stop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from kproxy_tw.devices.memory.lines import Json, SavedLine, line_of, parse_line, snapshot
from kproxy_tw.devices.memory.peers.service import PeerService
from kproxy_tw.devices.memory.remembering import Remembering
from kproxy_tw.devices.memory.store import MemoryStore
from kproxy_tw.devices.memory.takeover import MAX_AGE_SECONDS, is_too_old, steps, take_over
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.errors import StoreError
from kproxy_tw.offload import Offload

SAVE_SECONDS = 10.0
"""A change is saved at most that often."""

QUIET_SAVE_SECONDS = 60.0
"""Sequence numbers change with every datagram; when nothing else does, they are saved that often."""

SESSIONS_AT_ONCE = 4
"""Sessions whose state is copied in one go in the reactor's thread."""

AT_ONCE_BYTES = 64 << 10
"""A larger line is handed over step by step."""

MAX_SAVED_BYTES = 48 << 20
"""Most bytes of lines that are kept and written; sessions beyond it are left out, and that is logged."""


class MemoryService(Service):
    """Loads, hands over, saves.

    :param store: the file.
    :param offload: where lines are made.
    :param wall: seconds since 1970.
    :param devices: gives the devices that have sent something.
    :param peers: asks other kproxys; ``None`` for nobody.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        store: MemoryStore,
        offload: Offload,
        wall: Callable[[], float],
        devices: Callable[[], Iterable[Remembering]],
        peers: PeerService | None = None,
    ) -> None:
        self._peers = peers
        self._reactor = reactor
        self._store = store
        self._offload = offload
        self._wall = wall
        self._devices = devices
        self._saved: dict[str, SavedLine] = {}
        self._written: tuple[int, int] = (0, 0)
        self._heard = 0
        self._last_save = 0.0
        self._failing = False
        self._work: Deferred[None] | None = None
        self._turns = LoopingCall(self._turn)
        self._turns.clock = reactor

    def startService(self) -> None:
        """Load what was saved; sessions that begin before that is done get theirs afterwards."""
        super().startService()
        self._begin(self._load())
        self._turns.start(SAVE_SECONDS, now=False)
        if self._peers is not None:
            self._peers.startService()

    async def _stop(self) -> None:
        if self._peers is not None:
            await self._peers.stopService()
        while self._work is not None:
            await self._wait(self._work)
        for device in self._devices():
            device.give_up_held("shutdown")
        await self._save()

    def stopService(self) -> Deferred[None]:
        """Drop what still waits for templates, and save; fires when that is on disk."""
        super().stopService()
        self._turns.stop()
        return Deferred.fromCoroutine(self._stop())

    def adopt(self, device: Remembering, session: ExporterSession) -> None:
        """A session begins: give it what is known of it from before the restart, and by other kproxys.

        If that is much, the session gets it soon after; data waits for its template as it does elsewhere.
        """
        if self._peers is not None:
            self._peers.adopt(device, session)
        saved = self._saved.get(session.key)
        if saved is None:
            return
        if len(saved.line) > AT_ONCE_BYTES:
            self._owned(self._hand_over(device, session, saved))
            return
        now = self._wall()
        del self._saved[session.key]
        if take_over(session, parse_line(saved.line), now):
            self._handed_over(device, session, now)

    def allows(self, address: str) -> bool:
        """Whether a kproxy at this address may ask what is known of exporters."""
        return self._peers is not None and self._peers.allows(address)

    async def told(self, known: str) -> tuple[str, bytes | None]:
        """The version of what is saved, and the file; see :meth:`MemoryStore.told`."""
        return await self._store.told(known)

    async def _hand_over(self, device: Remembering, session: ExporterSession, saved: SavedLine) -> None:
        """Step by step; given up when the session ends meanwhile: its successor gets it from the beginning."""
        parsed = await self._offload(partial(parse_line, saved.line))
        now = self._wall()
        if not is_too_old(parsed, now):
            for _step in steps(session, parsed, now):
                await deferLater(self._reactor, 0)
                if device.sessions.get(session.key) is not session:
                    return
            self._handed_over(device, session, now)
        self._saved.pop(session.key, None)

    def _handed_over(self, device: Remembering, session: ExporterSession, now: float) -> None:
        templates, age = len(session.templates), session.restored_age or 0.0
        rows = sum(options.rows for options in session.templates.store.domains.values())
        text = (
            f"{session.key}: {templates} templates and {rows} rows of option data from before the restart hold on;"
            f" they were saved {age:.0f} s ago"
        )
        device.events.add("state_restored", text, now=now, subject=session.key)
        device.take_released(session, now)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = self._owned(work)
        self._work.addBoth(self._done)

    def _owned(self, work: Coroutine[Any, Any, None]) -> Deferred[None]:
        started: Deferred[None] = Deferred.fromCoroutine(work)
        return started.addErrback(
            lambda failure: self.log.failure("the exporters' state met a bug; please report", failure)
        )

    def _done(self, _result: object) -> None:
        self._work = None

    @staticmethod
    async def _wait(work: Deferred[None]) -> None:
        finished: Deferred[None] = Deferred()
        work.addBoth(lambda _result: finished.callback(None))
        await finished

    async def _load(self) -> None:
        try:
            self._saved = await self._store.load()
        except StoreError as problem:
            self.log.error("{problem}; exporters' templates are learned anew", problem=str(problem))
        for device in self._devices():
            for session in device.sessions.values():
                if session.persistent:
                    self.adopt(device, session)
        self._written, self._last_save = self._state(), self._reactor.seconds()

    def _turn(self) -> None:
        if self._work is not None:
            return
        heard = sum(session.datagrams for session in self._sessions())
        quiet = self._reactor.seconds() - self._last_save < QUIET_SAVE_SECONDS
        if self._state() != self._written or (heard != self._heard and not quiet):
            self._heard = heard
            self._begin(self._save())

    def _sessions(self) -> Sequence[ExporterSession]:
        return [one for device in self._devices() for one in device.sessions.values() if one.persistent]

    def _state(self) -> tuple[int, int]:
        sessions = self._sessions()
        return len(sessions), sum(session.changes() for session in sessions)

    async def _save(self) -> None:
        written, self._last_save = self._state(), self._reactor.seconds()
        lines = await self._lines()
        try:
            await self._store.save(lines)
        except StoreError as problem:
            if not self._failing:
                self.log.error("{problem}; tried again every {seconds} s", problem=str(problem), seconds=SAVE_SECONDS)
            self._failing = True
            return
        self._written, self._failing = written, False

    async def _lines(self) -> list[bytes]:
        """A line for each session, and for each from before the restart that has not been heard of since."""
        oldest = self._wall() - MAX_AGE_SECONDS
        self._saved = {key: saved for key, saved in self._saved.items() if saved.saved >= oldest}
        lines: list[bytes] = []
        size = 0
        sessions = [session for session in self._sessions() if session.key not in self._saved]
        for first in range(0, len(sessions), SESSIONS_AT_ONCE):
            now = self._wall()
            copies = [snapshot(session, now) for session in sessions[first : first + SESSIONS_AT_ONCE]]
            lines += await self._offload(partial(_encoded, copies))
        lines += [saved.line for saved in self._saved.values()]
        for number, line in enumerate(lines):
            size += len(line) + 1
            if size > MAX_SAVED_BYTES:
                self.log.warn(
                    "the state of {count} exporters is not saved, for it is more than {limit} bytes",
                    count=len(lines) - number,
                    limit=MAX_SAVED_BYTES,
                )
                return lines[:number]
        return lines


def _encoded(copies: Sequence[Json]) -> list[bytes]:
    return [line_of(copy) for copy in copies]
