"""``kproxy replay``: captured flow datagrams, sent to a running kproxy as they were."""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Sequence

from kproxy_tw.capture.datagrams import Datagram
from kproxy_tw.capture.rewrite import TimeRewriter
from kproxy_tw.commands.exits import Exit
from kproxy_tw.commands.tools.arguments import ToolParser, add_files
from kproxy_tw.commands.tools.inputs import BadFile, Inputs
from kproxy_tw.commands.tools.progress import Progress

MOST_EXPORTERS = 256
"""Sockets; exporters beyond share one of them."""

UNTIMED_SECONDS = 0.001
"""Between datagrams of which the file tells no time."""

SLOWEST, FASTEST = 0.001, 1e6


def main(arguments: Sequence[str]) -> Exit:
    """Run it. :raises BadFile: a file cannot be used, or nobody is at the target."""
    parser = ToolParser("replay", "Send captured flow packets to a running kproxy, with their distances in time.")
    add_files(parser, folders=True)
    parser.add_argument(
        "--to", type=_target, default="127.0.0.1:9995", metavar="HOST:PORT", help="target (default 127.0.0.1:9995)"
    )
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="X|max", help="times as fast, or max (default 1)")
    parser.add_argument("--rewrite-time", action="store_true", help="as if they were sent now, flow times included")
    asked = parser.parse_args(list(arguments))
    inputs = Inputs(asked.files, asked.port)
    total = sum(1 for _datagram in inputs.datagrams())
    if not total:
        passed = "; ".join(f"{count} packets: {reason}" for reason, count in inputs.passed_over.most_common(3))
        raise BadFile(f"no flow datagrams in these files ({passed or 'no packets at all'})")
    with Sender(asked.to, rewrite=asked.rewrite_time) as sender:
        sent = _send(inputs, sender, Pace(asked.speed), Progress(total, sys.stderr))
    sys.stderr.write(f"{sent} of {total} datagrams of {sender.exporters} exporters sent to {_shown(asked.to)}\n")
    for problem in inputs.damaged:
        sys.stderr.write(f"damaged: {problem}\n")
    return Exit.OK if sent == total and not inputs.damaged else Exit.FAILED


def _send(inputs: Inputs, sender: Sender, pace: Pace, progress: Progress) -> int:
    try:
        for datagram in inputs.datagrams():
            pace.wait(datagram.time_ns)
            sender.send(datagram)
            progress.step()
    except KeyboardInterrupt:
        return progress.done
    finally:
        progress.close()
    return progress.done


class Pace:
    """Keeps the distances in time that a capture has, ``speed`` times as fast; infinite for no waiting."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._first_ns = 0
        self._started = 0.0

    def wait(self, time_ns: int) -> None:
        """Until the datagram of that time is due."""
        if self._speed == float("inf"):
            return
        if not time_ns:
            time.sleep(UNTIMED_SECONDS / self._speed)
            return
        if not self._first_ns:
            self._first_ns, self._started = time_ns, time.monotonic()
        due = self._started + (time_ns - self._first_ns) / 1e9 / self._speed
        time.sleep(max(0.0, due - time.monotonic()))


class Sender:
    """Sends from one socket for each exporter, so that they can be told apart by port; a context manager."""

    def __init__(self, target: tuple[str, int], *, rewrite: bool) -> None:
        self._target = target
        self._rewrite = rewrite
        self._sockets: dict[tuple[str, int], socket.socket] = {}
        self._rewriters: dict[tuple[str, int], TimeRewriter] = {}
        self.exporters = 0

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_failure: object) -> None:
        for opened in self._sockets.values():
            opened.close()

    def send(self, datagram: Datagram) -> None:
        """Send one. :raises BadFile: nobody listens at the target, or it cannot be reached."""
        exporter = (datagram.source, datagram.source_port)
        data = datagram.payload
        if self._rewrite:
            data = self._rewriters.setdefault(exporter, TimeRewriter()).rewrite(data, time.time())
        try:
            self._socket(exporter).send(data)
        except ConnectionRefusedError:
            raise BadFile(f"nobody listens on UDP {_shown(self._target)}; is kproxy running?") from None
        except OSError as problem:
            raise BadFile(f"cannot send to {_shown(self._target)}: {problem.strerror or problem}") from None

    def _socket(self, exporter: tuple[str, int]) -> socket.socket:
        found = self._sockets.get(exporter)
        if found is None:
            if len(self._sockets) >= MOST_EXPORTERS:
                return next(iter(self._sockets.values()))
            family, kind, protocol, _name, address = socket.getaddrinfo(*self._target, type=socket.SOCK_DGRAM)[0]
            found = self._sockets[exporter] = socket.socket(family, kind, protocol)
            found.connect(address)
            self.exporters += 1
        return found


def _target(text: str) -> tuple[str, int]:
    host, _colon, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise argparse.ArgumentTypeError(f"must look like 127.0.0.1:9995 or [::1]:9995, not {text[:60]!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _shown(target: tuple[str, int]) -> str:
    host, port = target
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _speed(text: str) -> float:
    if text == "max":
        return float("inf")
    try:
        value = float(text.removesuffix("x"))
    except ValueError:
        value = 0.0
    if not SLOWEST <= value <= FASTEST:
        raise argparse.ArgumentTypeError(f"must be max or a number from {SLOWEST} on, not {text[:40]!r}")
    return value
