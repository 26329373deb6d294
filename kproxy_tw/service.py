"""Timers and threads around the pipelines: the tick each second, conversion in a worker thread, drained stop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from kproxy_tw.deliver.message import Message
from kproxy_tw.devices.device import Device
from kproxy_tw.devices.events import Event
from kproxy_tw.kflow.encode import Encoder
from kproxy_tw.offload import ends_with_process
from kproxy_tw.pipeline import Converted, DevicePipeline, Job, convert

TICK_SECONDS = 1.0
"""How often a device's records go out: at most one message a second."""

TURN_SECONDS = 0.05
"""How often the service looks which devices are due, so that their work is spread over the second."""

TURN_WORK_SECONDS = 0.004
"""After so much of ticks the reactor does what else there is to do, before it goes on with them."""

CONVERSION_THREADS = 1
"""One: decoding holds the interpreter's lock for most of its time, so a second would not help; and it needs an encoder
of its own."""

MOST_CONVERSIONS = 16
"""So many devices' records are with the thread or wait for it; the others' wait as the datagrams that they are in, and
not a second time, joined to be decoded."""

PROBLEM_LOG_SECONDS = 60.0
"""One line per device and this long about datagrams that cannot be understood."""

CALM_EVENTS = frozenset({"state_restored"})
"""Events that are as they should be."""

Submit = Callable[[DevicePipeline, Message], None]


class PipelineService(Service):
    """Ticks every device's pipeline and hands the messages to delivery.

    :param gather: brings what has come for a pipeline into it, before each of its ticks.
    :param submit: takes a finished message; called in the reactor's thread.
    """

    log = Logger()

    def __init__(self, *, reactor: Any, gather: Callable[[DevicePipeline], None], submit: Submit) -> None:
        self._reactor = reactor
        self._gather = gather
        self._submit = submit
        self._due: deque[tuple[float, DevicePipeline]] = deque()
        self._threads = ThreadPool(CONVERSION_THREADS, CONVERSION_THREADS, name="conversion")
        ends_with_process(self._threads)
        self._turns = LoopingCall(self._turn)
        self._turns.clock = reactor
        self._soon: Any = None
        self._running: set[Deferred[None]] = set()

    def add(self, pipeline: DevicePipeline) -> None:
        """Tick ``pipeline`` from now on."""
        self._due.append((self._reactor.seconds() + TICK_SECONDS, pipeline))

    def remove(self, pipeline: DevicePipeline) -> None:
        """Stop ticking ``pipeline``; what waits in it stays there."""
        self._due = deque(entry for entry in self._due if entry[1] is not pipeline)

    def startService(self) -> None:
        """Start the threads and the timer."""
        super().startService()
        self._encoder = Encoder()
        self._threads.start()
        self._turns.start(TURN_SECONDS, now=False)

    def stopService(self) -> Deferred[None]:
        """Convert what waits, once more under the cap, and wait for the last message."""
        super().stopService()
        self._turns.stop()
        return Deferred.fromCoroutine(self._finish())

    async def _finish(self) -> None:
        await DeferredList(list(self._running))
        for _due, pipeline in self._due:
            self._tick(pipeline, self._reactor.seconds())
        await DeferredList(list(self._running))
        for _due, pipeline in self._due:
            pipeline.discard("shutdown")
        self._threads.stop()
        self._encoder.close()

    def _turn(self) -> None:
        now = self._reactor.seconds()
        while self._may_convert() and self._due and self._due[0][0] <= now:
            _due, pipeline = self._due.popleft()
            # Entries stay in the order of their times because each comes back after the same period.
            self._due.append((now + TICK_SECONDS, pipeline))
            self._tick(pipeline, now)
            if self._reactor.seconds() - now > TURN_WORK_SECONDS:
                self._go_on()
                return

    def _go_on(self) -> None:
        """Have one more turn soon, and no second one beside it."""
        if self._soon is None or not self._soon.active():
            self._soon = self._reactor.callLater(0, self._turn)

    def _may_convert(self) -> bool:
        return bool(self._turns.running) and len(self._running) < MOST_CONVERSIONS

    def _tick(self, pipeline: DevicePipeline, now: float) -> None:
        try:
            self._convert(pipeline, now)
        except Exception:
            # A bug that one device's data meet must not stop the others' ticks.
            self._met_bug(Failure(), pipeline)

    def _convert(self, pipeline: DevicePipeline, now: float) -> None:
        self._gather(pipeline)
        job = pipeline.begin(now)
        if job is None:
            return
        work: Deferred[Converted] = deferToThreadPool(self._reactor, self._threads, convert, job, self._encoder.encode)
        done = work.addCallbacks(
            lambda converted: self._converted(pipeline, job, converted),
            lambda failure: self._failed(pipeline, job, failure),
        )
        done.addErrback(self._met_bug, pipeline)
        self._running.add(done)
        done.addBoth(lambda _result: self._done(done))

    def _done(self, job: Deferred[None]) -> None:
        self._running.discard(job)
        if self._due and self._due[0][0] <= self._reactor.seconds():
            self._go_on()

    def _met_bug(self, failure: Failure, pipeline: DevicePipeline) -> None:
        self.log.failure("the tick of {device} met a bug; please report this", failure, device=pipeline.device.name)

    def _converted(self, pipeline: DevicePipeline, job: Job, converted: Converted) -> None:
        pipeline.finish(job, converted)
        if converted.flows:
            self._submit(pipeline, Message(converted.body, converted.records, self._reactor.seconds()))

    def _failed(self, pipeline: DevicePipeline, job: Job, failure: Failure) -> None:
        pipeline.fail(job)
        self.log.failure(
            "cannot encode {flows} flows of {device}", failure, flows=job.kept, device=pipeline.device.name
        )


class ProblemLog:
    """Logs datagrams that cannot be understood: one line per device and minute, for a peer must not fill the log."""

    log = Logger()

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._quiet_until: dict[str, float] = {}

    def __call__(self, device: str, address: str, problem: str) -> None:
        """Log it, unless this device's last line is younger than a minute."""
        now = self._clock.seconds()
        if self._quiet_until.get(device, now) > now:
            return
        self._quiet_until[device] = now + PROBLEM_LOG_SECONDS
        self.log.warn(
            "datagram of {device} from {address} dropped: {problem}; told once a minute, the page has the counts",
            device=device,
            address=address,
            problem=problem,
        )


class EventLog:
    """Logs what happened to devices; events that repeat are told once a minute (see ``devices/events.py``)."""

    log = Logger()

    def __call__(self, device: Device, event: Event) -> None:
        """Log one event."""
        level = LogLevel.info if event.kind in CALM_EVENTS else LogLevel.warn
        self.log.emit(level, "{device}: {text}", device=device.name, text=event.text, kind=event.kind)
