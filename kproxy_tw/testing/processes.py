"""Runs the daemons as processes of their own, for the demo, the benchmarks and the interop tests."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START_SECONDS = 30.0
STOP_SECONDS = 15.0
ANSWER_SECONDS = 10.0


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1") -> int:
    """A port nobody listens on at the moment."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def free_port_pair(host: str = "127.0.0.1") -> int:
    """A UDP port that is free, with a free TCP port one higher: what kproxy takes."""
    for _attempt in range(100):
        port = free_port(socket.SOCK_DGRAM, host)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            try:
                sock.bind((host, port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise RuntimeError("no two neighboring ports are free")


def get(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, bytes]:
    """GET a page of a daemon: the status and the body."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def get_json(port: int, path: str, host: str = "127.0.0.1") -> Any:
    """GET a JSON document. :raises RuntimeError: the status is not 200."""
    status, body = get(port, path, host)
    if status != http.client.OK:
        raise RuntimeError(f"{path} answered {status}: {body[:200]!r}")
    return json.loads(body)


def answers(port: int, path: str) -> bool:
    """Whether a daemon answers 200."""
    try:
        return get(port, path)[0] == http.client.OK
    except OSError:
        return False


class Daemon:
    """One command of ours as a child process; use it as a context manager.

    :param command: ``kproxy`` or ``kcollect``, and its flags.
    :param log: where its output goes.
    :param environment: added to this process's environment.
    :param passed: descriptors that it inherits.
    :param apart: it is in a process group of its own: Ctrl-C ends this program, which then ends the daemon.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        passed: Sequence[int] = (),
        apart: bool = False,
    ) -> None:
        self._command = [str(Path(sys.executable).parent / command[0]), *command[1:]]
        self._environment = os.environ | dict(environment or {})
        self._passed = passed
        self._group = 0 if apart else None
        self.log = log

    def __enter__(self) -> Self:
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603
                self._command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self.log.parent,
                pass_fds=self._passed,
                process_group=self._group,
            )
        return self

    def __exit__(self, *_failure: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def wait_until_ready(self, port: int, path: str = "/readyz", seconds: float = START_SECONDS) -> None:
        """Until the daemon answers 200. :raises RuntimeError: it ended, or took too long; holds its log."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll():
                raise RuntimeError(f"{self._command[0]} ended with {self.process.returncode}:\n{self.log.read_text()}")
            if answers(port, path):
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self._command[0]} is not ready after {seconds} s:\n{self.log.read_text()}")

    def stop(self) -> int:
        """SIGTERM, and the exit status; SIGKILL when that takes too long."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def cpu_seconds(self) -> float:
        """Processor time that its present threads used so far, user and system, to the nanosecond."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def peak_memory(self) -> int:
        """Largest resident size that it had so far, in bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("the kernel does not tell VmHWM")
