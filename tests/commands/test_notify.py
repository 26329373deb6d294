"""What systemd is told, on a real datagram socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

import pytest

from kproxy_tw.commands.notify import Notifier

PID = 77


class RunningClock(Clock):
    """A reactor that runs when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Any] = []

    def callWhenRunning(self, work: Any) -> None:  # noqa: N802
        """Remember it."""
        self.waiting.append(work)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The end of the socket that systemd reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


def said(sock: socket.socket) -> list[str]:
    """All messages so far, their first lines."""
    messages = []
    while True:
        try:
            messages.append(sock.recv(4096).decode().split("\n")[0])
        except BlockingIOError:
            return messages


def notifier(path: str, **environment: str) -> tuple[RunningClock, Notifier]:
    """One that was started; the reactor does not run yet."""
    clock = RunningClock()
    service = Notifier(reactor=clock, environment={"NOTIFY_SOCKET": path} | environment, pid=PID)
    service.startService()
    return clock, service


def test_ready_alive_stopping(systemd: socket.socket, tmp_path: Path) -> None:
    """Ready when the reactor runs, not before; alive twice in the time asked for, by the reactor's own timer."""
    clock, service = notifier(str(tmp_path / "notify"), WATCHDOG_USEC="10000000", WATCHDOG_PID=str(PID))
    assert said(systemd) == []
    clock.waiting[0]()
    assert said(systemd) == ["READY=1", "WATCHDOG=1"]
    clock.advance(4.9)
    assert said(systemd) == []
    clock.advance(0.1)
    clock.advance(5)
    assert said(systemd) == ["WATCHDOG=1"] * 2
    service.stopService()
    assert said(systemd) == ["STOPPING=1"]


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "78"}, {"WATCHDOG_USEC": "x"}])
def test_no_sign_of_life_when_none_is_awaited(
    systemd: socket.socket, tmp_path: Path, environment: dict[str, str]
) -> None:
    """No watchdog, or one for another process."""
    clock, _service = notifier(str(tmp_path / "notify"), **environment)
    clock.waiting[0]()
    clock.advance(60)
    assert said(systemd) == ["READY=1"]


def test_without_systemd_nothing_is_sent() -> None:
    """Neither a timer nor a message."""
    clock, service = notifier("")
    service.stopService()
    assert (clock.waiting, clock.calls) == ([], [])


def test_a_systemd_that_is_gone_is_no_matter(tmp_path: Path) -> None:
    """The daemon goes on."""
    clock, service = notifier(str(tmp_path / "nothing"))
    clock.waiting[0]()
    service.stopService()


def test_a_name_in_the_abstract_namespace() -> None:
    """Written with @ for the leading NUL byte."""
    name = f"kproxy-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        sock.setblocking(False)
        clock, _service = notifier(f"@{name}")
        clock.waiting[0]()
        assert said(sock) == ["READY=1"]
