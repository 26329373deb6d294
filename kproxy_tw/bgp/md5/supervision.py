"""The capturing child's life: started with one capability, watched, started again after growing waits."""

from __future__ import annotations

import errno
import os
import random
import sys
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from kproxy_tw.backoff import Uniform, full_jitter
from kproxy_tw.bgp.md5.record import Counts, Problem, Ready, Record
from kproxy_tw.bgp.md5.syn import Syn

FIRST_RESTART_SECONDS = 1.0
MOST_RESTART_SECONDS = 60.0
HEALTHY_SECONDS = 60.0
"""A child that lived this long begins anew with the shortest wait."""

START_SECONDS = 15.0
"""Until it must have opened its socket."""

MODULE = "kproxy_tw.bgp.md5.capture.app"


class Child(Protocol):
    """A started process."""

    @property
    def pid(self) -> int | None:
        """Its process id, ``None`` when it is gone."""

    def end(self, signal: str) -> None:
        """Send it a signal by name, if it is still there."""


class Launch(Protocol):
    """Starts the child; see ``service.launch_capture``."""

    def __call__(self, *, record: Callable[[Record], None], ended: Callable[[str], None]) -> Child:
        """Start it. :raises OSError: it cannot be started."""


def capture_command(interface: str, ports: tuple[int, ...]) -> list[str]:
    """The child's command line."""
    return [sys.executable, "-P", "-s", "-m", MODULE, interface, ",".join(map(str, ports))]


def capture_environment() -> dict[str, str]:
    """The child's environment: how to find our package, and nothing of ours (the token is in it)."""
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def start_problem(error: int, interface: str) -> str:
    """What an ``errno`` of the child means for the operator."""
    if error in (errno.EPERM, errno.EACCES):
        return "the capability CAP_NET_RAW is missing"
    if error == errno.ENODEV:
        return f"there is no network interface {interface} (--md5-listen-interface)"
    return os.strerror(error)


@attrs.define(kw_only=True)
class Supervision:
    """Keeps one child running. Nothing happens before :meth:`start`.

    :param syn: takes each SYN.
    :param trouble: told why there is no child now; it is started again by itself.
    :ivar counts: of the present child.
    """

    reactor: Any
    interface: str
    launch: Launch
    syn: Callable[[Syn], None]
    trouble: Callable[[str], None]
    uniform: Uniform = random.uniform
    counts: Counts = attrs.field(factory=Counts, init=False)
    ready: bool = attrs.field(default=False, init=False)
    restarts: int = attrs.field(default=0, init=False)
    _child: Child | None = attrs.field(default=None, init=False)
    _timer: Any = attrs.field(default=None, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _born: float = attrs.field(default=0.0, init=False)
    _said: str = attrs.field(default="", init=False)
    _stopped: Callable[[], None] | None = attrs.field(default=None, init=False)

    @property
    def pid(self) -> int:
        """Of the child, 0 when there is none."""
        return 0 if self._child is None else self._child.pid or 0

    def start(self) -> None:
        """Start the child; when that fails, it is tried again later."""
        self._said = ""
        self._born = self.reactor.seconds()
        try:
            self._child = self.launch(record=self._record, ended=self._ended)
        except OSError as problem:
            self._ended(f"cannot start it: {problem.strerror}")
            return
        self._timer = self.reactor.callLater(START_SECONDS, self._child.end, "KILL")

    def stop(self, stopped: Callable[[], None]) -> None:
        """End the child for good; ``stopped`` is called when it is gone."""
        self._stopped = stopped
        self._cancel()
        if self._child is None:
            stopped()
        else:
            self._child.end("KILL")  # it keeps nothing that could be lost

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _record(self, record: Record) -> None:
        if isinstance(record, Syn):
            self.syn(record)
        elif isinstance(record, Counts):
            self.counts = record
        elif isinstance(record, Ready):
            self.ready = True
            self._cancel()
        elif isinstance(record, Problem):
            self._said = start_problem(record.error, self.interface)

    def _ended(self, last_words: str) -> None:
        self._cancel()
        self._child, self.ready = None, False
        if self._stopped is not None:
            self._stopped()
            return
        now = self.reactor.seconds()
        self._failures = 1 if now - self._born >= HEALTHY_SECONDS else self._failures + 1
        self.restarts += 1
        wait = full_jitter(self._failures, FIRST_RESTART_SECONDS, MOST_RESTART_SECONDS, self.uniform)
        self._timer = self.reactor.callLater(wait, self.start)
        self.trouble(self._said or last_words)
