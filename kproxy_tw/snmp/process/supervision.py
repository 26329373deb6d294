"""The polling process's life: started, listened to, started again after growing waits when it dies or falls silent."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from typing import Any, Protocol

import attrs

from kproxy_tw.backoff import Uniform, full_jitter

MODULE = "kproxy_tw.snmp.process.app"

FIRST_RESTART_SECONDS = 1.0
MOST_RESTART_SECONDS = 60.0
HEALTHY_SECONDS = 60.0
"""A process that lived this long begins anew with the shortest wait."""

SILENT_SECONDS = 60.0
"""A process that says nothing for so long hangs, and is ended; it tells its CPU time every two seconds."""

LAST_WORDS = 4096


class Child(Protocol):
    """A started process."""

    def end(self, signal: str) -> None:
        """Send it a signal by name, if it is still there."""


class Launch(Protocol):
    """Starts the process; see ``service.launch_polling``."""

    def __call__(self, *, ended: Callable[[str], None]) -> Child:
        """Start it. :raises OSError: it cannot be started."""


def polling_command() -> list[str]:
    """The process's command line."""
    return [sys.executable, "-P", "-s", "-m", MODULE]


def polling_environment() -> dict[str, str]:
    """The process's environment: how to find our package, and nothing of ours (the token is in it)."""
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@attrs.define(kw_only=True)
class Supervision:
    """Keeps one process running. Nothing happens before :meth:`start`.

    :param trouble: told why there is no process now; it is started again by itself.
    """

    reactor: Any
    launch: Launch
    trouble: Callable[[str], None]
    uniform: Uniform = random.uniform
    restarts: int = attrs.field(default=0, init=False)
    problem: str = attrs.field(default="not started", init=False)
    _child: Child | None = attrs.field(default=None, init=False)
    _timer: Any = attrs.field(default=None, init=False)
    _failures: int = attrs.field(default=0, init=False)
    _born: float = attrs.field(default=0.0, init=False)
    _stopped: Callable[[], None] | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Start the process; when that fails, it is tried again later."""
        self._born = self.reactor.seconds()
        try:
            self._child = self.launch(ended=self._ended)
        except OSError as problem:
            self._ended(f"cannot start it: {problem.strerror}")
            return
        self.problem = ""
        self._watch()

    def heard(self) -> None:
        """The process has said something."""
        if self._child is not None and self._stopped is None:
            self._watch()

    def stop(self, stopped: Callable[[], None]) -> None:
        """End the process for good; ``stopped`` is called when it is gone."""
        self._stopped = stopped
        self._cancel()
        self.problem = "stopped"
        if self._child is None:
            stopped()
        else:
            self._child.end("TERM")
            self._timer = self.reactor.callLater(2.0, self._child.end, "KILL")

    def _watch(self) -> None:
        self._cancel()
        self._timer = self.reactor.callLater(SILENT_SECONDS, self._hangs)

    def _hangs(self) -> None:
        if self._child is not None:
            self.problem = f"it said nothing for {SILENT_SECONDS:g} s"
            self._child.end("KILL")

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _ended(self, last_words: str) -> None:
        self._cancel()
        self._child = None
        if self._stopped is not None:
            self._stopped()
            return
        self.problem = self.problem or last_words
        now = self.reactor.seconds()
        self._failures = 1 if now - self._born >= HEALTHY_SECONDS else self._failures + 1
        self.restarts += 1
        wait = full_jitter(self._failures, FIRST_RESTART_SECONDS, MOST_RESTART_SECONDS, self.uniform)
        self._timer = self.reactor.callLater(wait, self.start)
        self.trouble(self.problem)
