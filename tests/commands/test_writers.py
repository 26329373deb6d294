"""Log sinks that take nothing: lines are lost and counted, nobody waits."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kproxy_tw.commands.destinations import (
    LogstashSocket,
    LogstashTarget,
    SyslogSocket,
    logstash_line,
    logstash_target,
    syslog_line,
)
from kproxy_tw.commands.writers import MAX_LINES, LineWriter, LogWriters, write_all
from kproxy_tw.errors import ConfigError

SET_PIPE_SIZE = 1031
"""``F_SETPIPE_SZ`` of fcntl(2); Python 3.10 has a name for it, stubs do not."""

AT_ONCE = 0.5


def told(count: int) -> bytes:
    """The line about lost lines."""
    return b"%d lost\n" % count


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe of one page that nobody reads: its two ends."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, SET_PIPE_SIZE, 4096)
    yield reading, writing
    os.close(reading)
    os.close(writing)


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread, five seconds at most."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_full_pipe_costs_lines_and_no_time(pipe: tuple[int, int]) -> None:
    """5,000 lines of 100 bytes: none waits; what was lost is told behind what came through, and all add up."""
    reading, writing = pipe
    writer = LineWriter("stdout", write_all(writing), told)
    writer.start()
    began = time.monotonic()
    for number in range(5000):
        writer.put(b"%099d\n" % number)
    assert time.monotonic() - began < AT_ONCE
    assert 5000 - MAX_LINES - 100 < writer.lost < 5000 - MAX_LINES + 100
    lines: list[bytes] = []
    reader = threading.Thread(target=lambda: lines.extend(_read_lines(reading)))
    reader.start()
    writer.close(5)
    writer.put(b"end\n")
    reader.join(5)
    tellings = [int(line.split()[0]) for line in lines if b"lost" in line]
    assert sum(tellings) == writer.lost
    assert len(lines) - len(tellings) == 5000 - writer.lost
    assert lines[0] == b"%099d" % 0


def _read_lines(descriptor: int) -> list[bytes]:
    data = b""
    while not data.endswith(b"end\n"):
        data += os.read(descriptor, 65536)
    return data.split(b"\n")[:-2]


def test_the_end_does_not_wait_for_a_blocked_sink(pipe: tuple[int, int]) -> None:
    """Closing gives up after the time it was given."""
    writers = LogWriters()
    writer = writers.open("stdout", write_all(pipe[1]), told)
    writers.start()
    for _line in range(200):
        writer.put(b"x" * 100)
    began = time.monotonic()
    writers.close()
    assert 0.9 < time.monotonic() - began < 2
    os.read(pipe[0], 65536)


def test_lines_before_the_start_are_written(tmp_path: Path) -> None:
    """A process that fails to start still says what it had to say."""
    with (tmp_path / "log").open("wb") as file:
        writer = LineWriter("file", write_all(file.fileno()), told)
        writer.put(b"early\n")
        writer.close()
    assert (tmp_path / "log").read_bytes() == b"early\n"


def test_an_error_loses_that_line_and_the_next_goes_on() -> None:
    """The disk is full for a moment: one line is lost, and told."""
    taken: list[bytes] = []
    troubles = iter([OSError(28, "No space left on device")])

    def write(line: bytes) -> None:
        for trouble in troubles:
            raise trouble
        taken.append(line)

    writer = LineWriter("file", write, told)
    writer.put(b"one\n")
    writer.put(b"two\n")
    writer.close()
    assert (taken, writer.lost) == ([b"two\n", b"1 lost\n"], 1)


def test_work_between_lines_keeps_its_place() -> None:
    """A new file begins behind the lines that came before the signal."""
    done: list[object] = []
    writer = LineWriter("file", done.append, told)
    writer.put(b"one")
    writer.between_lines(lambda: done.append("rotated"))
    writer.put(b"two")
    writer.close()
    assert done == [b"one", "rotated", b"two"]


def test_syslog_gets_priority_tag_and_text_and_may_be_restarted(tmp_path: Path) -> None:
    """A real datagram socket stands for the daemon: it goes away, and comes back."""
    path = str(tmp_path / "log")
    send = SyslogSocket(path)
    line = syslog_line("kproxy", 4, "receive buffer is small")
    with pytest.raises(OSError, match="No such file"):
        send(line)
    for _life in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
            daemon.bind(path)
            send(line)
            assert daemon.recv(100) == f"<28>kproxy[{os.getpid()}]: receive buffer is small".encode()
        os.unlink(path)
    with pytest.raises(OSError, match="No such file"):
        send(line)


def test_a_syslog_that_reads_nothing_blocks_nobody_but_its_thread(tmp_path: Path) -> None:
    """The daemon hangs: what its socket and our queue hold waits, the rest is counted."""
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        writer = LineWriter("syslog", SyslogSocket(path), told)
        writer.start()
        began = time.monotonic()
        for _line in range(5000):
            writer.put(b"<30>kproxy: hello")
        assert time.monotonic() - began < AT_ONCE
        assert writer.lost > 1000
        daemon.close()
        writer.close(5)
    lost = writer.lost
    writer.put(b"one more")
    writer.close(5)
    assert writer.lost == lost + 1


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("stash:5044", LogstashTarget("stash", 5044)),
        ("tcp://[::1]:5044", LogstashTarget("::1", 5044)),
        ("udp://10.0.0.1", LogstashTarget("10.0.0.1", 5000, udp=True)),
        ("DISABLE", None),
        ("", None),
        (None, None),
    ],
)
def test_logstash_targets(text: str | None, target: LogstashTarget | None) -> None:
    """Host and port over TCP, unless the text says otherwise."""
    assert logstash_target(text) == target


@pytest.mark.parametrize("text", ["http://stash:1", "stash:x", "tcp://", "u:p@stash:1", "stash:1/x"])
def test_what_is_no_logstash_target(text: str) -> None:
    """The complaint names the flag."""
    with pytest.raises(ConfigError, match="logstash"):
        logstash_target(text)


@pytest.mark.parametrize("udp", [False, True])
def test_logstash_gets_json(udp: bool) -> None:
    """Over a real socket; time in UTC with milliseconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as server:
        server.bind(("127.0.0.1", 0))
        if not udp:
            server.listen()
        send = LogstashSocket(LogstashTarget("127.0.0.1", server.getsockname()[1], udp))
        send(logstash_line("kproxy", "warn", "kproxy_tw.listen", "small\n\tbuffer", 1_700_000_000.25))
        reading = server if udp else server.accept()[0]
        event = json.loads(reading.recv(4096))
        reading.close()
    assert event["@timestamp"] == "2023-11-14T22:13:20.250Z"
    assert (event["message"], event["level"], event["type"]) == ("small\n\tbuffer", "warn", "kproxy")


def test_a_dead_logstash_is_not_asked_for_every_line() -> None:
    """One attempt in five seconds."""
    now = [100.0]
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        send = LogstashSocket(LogstashTarget("127.0.0.1", server.getsockname()[1]), lambda: now[0])
        with pytest.raises(ConnectionRefusedError):
            send(b"{}\n")
        server.listen()
        with pytest.raises(ConnectionError, match="logstash is away"):
            send(b"{}\n")
        now[0] += 5.1
        send(b"{}\n")
