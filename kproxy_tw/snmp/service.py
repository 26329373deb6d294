"""kproxy's side of polling: a process of its own polls, so that no datagram waits for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

import attrs

from kproxy_tw.snmp.interfaces import ProgressListener, ReadingListener
from kproxy_tw.snmp.libraries import installed
from kproxy_tw.snmp.process.protocol import Begin, PollerProtocol, PollingProcess, PollOnce, Targets
from kproxy_tw.snmp.process.supervision import Supervision, polling_command, polling_environment
from kproxy_tw.snmp.reading import ErrorKind, PollError, Reading
from kproxy_tw.snmp.settings import SnmpSchedule, SnmpTarget
from kproxy_tw.snmp.status import PollerStatus, Progress
from kproxy_tw.snmp.usage import Usage
from kproxy_tw.snmp.wire import Assembly, dump, lists, load

MAX_READINGS_UNDERWAY = 1024
"""Readings whose pieces are held; the process sends those of one device one after the other."""


class PollerService(Service):
    """Implements :class:`~kproxy_tw.snmp.interfaces.SnmpPoller`.

    :param state_dir: where the engine ids of version 3 are kept.
    :param listener: takes each reading of the schedule.
    :param library: ``pysnmp`` or ``gufo-snmp``; the faster one that is installed when left out.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        schedule: SnmpSchedule,
        state_dir: Path,
        listener: ReadingListener,
        library: str = "",
    ) -> None:
        self._reactor = reactor
        self._schedule = schedule
        self._state_dir = state_dir
        self._listener = listener
        self._library = library or installed()
        self._targets: tuple[SnmpTarget, ...] = ()
        self._supervision = Supervision(reactor=reactor, launch=self._launch, trouble=self._trouble)
        self._started = False
        self._process: PollingProcess | None = None
        self._usage = Usage()
        self._pid = 0
        self._number = 0
        self._assemblies: OrderedDict[int, Assembly] = OrderedDict()
        self._asked: dict[int, _Asked] = {}
        self._latest: dict[int, Reading] = {}

    def startService(self) -> None:
        """Start the process, as soon as there is something to poll."""
        super().startService()
        if self._targets:
            self._start()

    def stopService(self) -> Deferred[None]:
        """End it; fires when it is gone."""
        super().stopService()
        gone: Deferred[None] = Deferred()
        self._fail_asked("kproxy stops")
        self._supervision.stop(lambda: gone.callback(None))
        return gone

    def targets_changed(self, targets: Iterable[SnmpTarget]) -> None:
        """See the interface."""
        self._targets = tuple(targets)
        known = {target.device_id for target in self._targets}
        self._latest = {device_id: reading for device_id, reading in self._latest.items() if device_id in known}
        if self._pid:
            self._send_targets()
        elif self._targets:
            self._start()

    async def poll_now(self, target: SnmpTarget, progress: ProgressListener | None = None) -> Reading:
        """See the interface."""
        self._start()
        if self._process is None:
            return _no_process(target.device_id, self._supervision.problem)
        self._number += 1
        asked = self._asked[self._number] = _Asked(target.device_id, Deferred(), progress)
        sent = self._process.amp.callRemote(PollOnce, number=self._number, target=dump(target))
        sent.addErrback(self._unheard)
        return await asked.answer

    def status(self) -> PollerStatus:
        """See the interface."""
        return PollerStatus(
            pid=self._pid,
            restarts=self._supervision.restarts,
            client=self._library,
            cpu_seconds=self._usage.total,
            cpu_percent=self._usage.percent(),
            targets=len(self._targets),
            latest=dict(self._latest),
            next_polls={device_id: reading.next_poll for device_id, reading in self._latest.items()},
            problem=self._supervision.problem if self._started else "",
        )

    def _start(self) -> None:
        if self.running and not self._started:
            self._started = True
            self._supervision.start()

    def _launch(self, *, ended: Callable[[str], None]) -> PollingProcess:
        amp = PollerProtocol(piece=self._piece, progress=self._progress, used=self._used)
        process = PollingProcess(amp, partial(self._ended, ended))
        command = polling_command()
        self._reactor.spawnProcess(process, command[0], command, env=polling_environment())
        self._process = process
        self._usage.began()
        begun = amp.callRemote(
            Begin, schedule=dump(self._schedule), state_dir=str(self._state_dir), library=self._library
        )
        begun.addCallbacks(self._begun, self._unheard)
        return process

    def _begun(self, answer: dict[str, int]) -> None:
        self._pid = answer["pid"]
        self.log.info("SNMP is polled by process {pid}, with {library}", pid=self._pid, library=self._library)
        self._send_targets()

    def _send_targets(self) -> None:
        if self._process is None:
            return
        pieces = list(lists(self._targets))
        for number, piece in enumerate(pieces, 1):
            sent = self._process.amp.callRemote(Targets, piece=piece, last=number == len(pieces))
            sent.addErrback(self._unheard)

    def _unheard(self, failure: Failure) -> None:
        """What could not be said to a process that is gone is said to the next one."""
        if self.running:
            self.log.debug("the polling process did not hear: {problem}", problem=str(failure.value))

    def _ended(self, told: Callable[[str], None], last_words: str) -> None:
        self._process, self._pid = None, 0
        self._assemblies.clear()
        self._fail_asked(last_words)
        told(last_words)

    def _trouble(self, problem: str) -> None:
        self.log.error("the process that polls SNMP ended: {problem}; it is started again", problem=problem)

    def _fail_asked(self, problem: str) -> None:
        asked, self._asked = self._asked, {}
        for one in asked.values():
            one.answer.callback(_no_process(one.device_id, problem))

    def _piece(self, number: int, piece: bytes) -> None:
        self._supervision.heard()
        assembly = self._assemblies.get(number)
        if assembly is None:
            assembly = self._assemblies[number] = Assembly()
            if len(self._assemblies) > MAX_READINGS_UNDERWAY:
                self._assemblies.popitem(last=False)
        reading = assembly.take(piece)
        if reading is None:
            return
        del self._assemblies[number]
        asked = self._asked.pop(number, None)
        if asked is not None:
            asked.answer.callback(reading)
        elif number < 0:
            self._take(reading)

    def _take(self, reading: Reading) -> None:
        if any(target.device_id == reading.device_id for target in self._targets):
            self._latest[reading.device_id] = attrs.evolve(reading, interfaces=(), counters=())
            self._listener(reading)

    def _progress(self, number: int, progress: bytes) -> None:
        self._supervision.heard()
        asked = self._asked.get(number)
        if asked is not None and asked.progress is not None:
            asked.progress(load(Progress, progress))

    def _used(self, cpu_seconds: float) -> None:
        self._supervision.heard()
        self._usage.used(cpu_seconds, self._reactor.seconds())


@attrs.frozen
class _Asked:
    """A poll that somebody waits for."""

    device_id: int
    answer: Deferred[Reading]
    progress: ProgressListener | None


def _no_process(device_id: int, problem: str) -> Reading:
    text = f"there is no polling process: {problem}"
    return Reading(device_id=device_id, error=PollError(kind=ErrorKind.POLLER, text=text))
