"""The polling process's end of the pipe."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.amp import AMP
from twisted.python.failure import Failure

from kproxy_tw.errors import StoreError
from kproxy_tw.snmp.agents import Agents
from kproxy_tw.snmp.polling.service import PollingService
from kproxy_tw.snmp.process.protocol import Begin, PollOnce, Targets, Told, Underway, Used
from kproxy_tw.snmp.reading import Reading
from kproxy_tw.snmp.settings import SnmpSchedule, SnmpTarget
from kproxy_tw.snmp.status import Progress
from kproxy_tw.snmp.store import AgentStore
from kproxy_tw.snmp.wire import dump, load, pieces

USAGE_SECONDS = 2.0
SAVE_SECONDS = 30.0
"""News of engines is kept at most so often."""


class PollingProtocol(AMP):
    """The process's end: takes settings, tells readings."""

    log = Logger()

    def __init__(self, ended: Callable[[], None]) -> None:
        super().__init__()
        self._ended = ended
        self._polling: PollingService | None = None
        self._listed: list[SnmpTarget] = []
        self._number = 0
        self._store: AgentStore | None = None
        self._agents: Agents | None = None
        self._news = False
        self._single: set[asyncio.Task[None]] = set()
        self._usage = LoopingCall(self._tell_usage)
        self._saving = LoopingCall(self._save)

    @Begin.responder
    def begin(self, schedule: bytes, state_dir: str, library: str) -> dict[str, int]:
        """Start polling; there are no devices yet."""
        self._store = AgentStore(Path(state_dir))
        self._agents = Agents(library, self._store.load())
        self._polling = PollingService(
            agents=self._agents, schedule=load(SnmpSchedule, schedule), tell=self._tell, learned=self._learned
        )
        self._polling.startService()
        self._usage.start(USAGE_SECONDS)
        self._saving.start(SAVE_SECONDS, now=False)
        return {"pid": os.getpid()}

    @Targets.responder
    def targets(self, piece: bytes, last: bool) -> dict[str, object]:
        """Take a piece of the list; poll what it says when it is complete."""
        self._listed += load(list[SnmpTarget], piece)
        if last and self._polling is not None:
            listed, self._listed = self._listed, []
            self._polling.targets_changed(listed)
        return {}

    @PollOnce.responder
    def poll_once(self, number: int, target: bytes) -> dict[str, object]:
        """Poll once; the reading follows."""
        task = asyncio.ensure_future(self._poll_once(number, load(SnmpTarget, target)))
        self._single.add(task)
        task.add_done_callback(self._single.discard)
        return {}

    async def _poll_once(self, number: int, target: SnmpTarget) -> None:
        if self._polling is None:
            return

        def told(progress: Progress) -> None:
            self.callRemote(Underway, number=number, progress=dump(progress)).addErrback(self._unheard)

        await self._send(number, await self._polling.poll_once(target, told))

    async def _tell(self, reading: Reading) -> None:
        self._number -= 1
        await self._send(self._number, reading)

    async def _send(self, number: int, reading: Reading) -> None:
        for piece in pieces(reading):
            sent: Deferred[Any] = self.callRemote(Told, number=number, piece=piece)
            sent.addErrback(self._unheard)
            await sent.asFuture(asyncio.get_running_loop())

    def _unheard(self, failure: Failure) -> None:
        """The other end is gone, and so is this process soon."""
        self.log.debug("nobody hears: {problem}", problem=failure.value)

    def _tell_usage(self) -> None:
        self.callRemote(Used, cpu_seconds=time.process_time()).addErrback(self._unheard)

    def _learned(self) -> None:
        self._news = True

    def _save(self) -> None:
        if not self._news or self._store is None or self._agents is None:
            return
        self._news = False
        try:
            self._store.save(self._agents.engines)
        except StoreError as problem:
            self.log.error("engines of SNMP version 3 are not kept: {problem}", problem=str(problem))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The other end is gone: stop."""
        super().connectionLost(reason)
        for call in (self._usage, self._saving):
            if call.running:
                call.stop()
        self._save()
        if self._polling is not None:
            self._polling.stopService()
        self._ended()
