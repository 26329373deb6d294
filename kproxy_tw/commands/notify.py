"""What we tell systemd (sd_notify(3)): that we are ready, alive, and about to stop.

The sign of life is sent by a timer of the reactor: a reactor that hangs sends none, and systemd restarts the process.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from kproxy_tw import __version__

SOCKET = "NOTIFY_SOCKET"
INTERVAL = "WATCHDOG_USEC"
PROCESS = "WATCHDOG_PID"

LEAST_SECONDS = 0.01


class Notifier(Service):
    """Silent when systemd has not asked for it.

    :param reactor: sends signs of life while it turns.
    :param environment: says where to, and how often.
    :param pid: of this process.
    """

    log = Logger()

    def __init__(self, *, reactor: Any, environment: Mapping[str, str], pid: int) -> None:
        self._reactor = reactor
        self._path = environment.get(SOCKET, "")
        self._seconds = _watchdog_seconds(environment, pid)
        self._alive = LoopingCall(self._send, "WATCHDOG=1")
        self._alive.clock = reactor

    def startService(self) -> None:
        """Report that we are ready as soon as the reactor runs: every socket listens by then."""
        super().startService()
        if self._path:
            self._reactor.callWhenRunning(self._ready)

    def stopService(self) -> None:
        """Report that we are about to stop."""
        super().stopService()
        if self._path:
            self._send("STOPPING=1\nSTATUS=delivering what waits")

    def _ready(self) -> None:
        self._send(f"READY=1\nSTATUS=running, version {__version__}")
        if self._seconds and not self._alive.running:
            self._alive.start(self._seconds, now=True)

    def _send(self, text: str) -> None:
        # A name in the abstract namespace begins with a NUL byte, which systemd writes as @.
        path = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
                sock.sendto(text.encode(), path)
        except OSError as problem:
            self.log.debug("systemd was not told {text}: {problem}", text=text, problem=problem)


def _watchdog_seconds(environment: Mapping[str, str], pid: int) -> float:
    """Half of the time that systemd waits; 0 when it does not."""
    microseconds, process = environment.get(INTERVAL, ""), environment.get(PROCESS, "")
    if not microseconds.isdecimal() or process not in ("", str(pid)):
        return 0.0
    seconds = int(microseconds) / 2e6
    return max(seconds, LEAST_SECONDS) if seconds else 0.0
