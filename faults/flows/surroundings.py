"""Clocks that are set, devices that change, a second instance, a log that nobody reads: F14, F21, F22, F33."""

from __future__ import annotations

import math
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from faults.flows import gate as tricks
from faults.flows.chain import CREDENTIALS, HEALTH_PORT, LIVENESS_SECONDS, Chain, chain, device
from faults.table import Outcome

FAKETIME = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
)
HOUR, DAY = 3600, 86_400
IN_2036, IN_2038 = 2_085_978_490, 2_147_483_640
"""Seconds since 1970, just before NTP's seconds and those of 32 bits with a sign overflow."""

FASTER = 5
"""A clock that runs so much too fast."""

TIMED_SECONDS = 20.0
UNFINISHED_SECONDS = 5.0
"""So long a client of the health port may take for its line."""

CLIENTS, CLIENT_SECONDS = 6, 0.4
MOST_OFF = 0.05


def clock_set(directory: Path, chance: random.Random, steps: int = 3, seconds: float = TIMED_SECONDS) -> Outcome:
    """F14: the clock jumps; timers go on as before, the log tells once, times of flows follow the clock."""
    jumps = [HOUR, -HOUR, 10 * DAY, IN_2036 - int(time.time()), IN_2038 - int(time.time())]
    chosen = [10 * DAY, *chance.sample(jumps[:2] + jumps[3:], steps - 1)]
    clock = directory / "clock"
    clock.write_text("+0\n")
    with chain(directory, gated=True, environment=faked(clock)) as made:
        made.load(300)
        time.sleep(2.0)
        for jump in chosen:
            clock.write_text(f"{jump:+d}\n")
            time.sleep(3.0)
            _timers_are_right(made, seconds)
        clock.write_text(f"{chosen[-1]:+d} x{FASTER}\n")
        time.sleep(3.0)
        _timers_are_right(made, seconds)
        clock.write_text(f"{chosen[-1]:+d}\n")
        assert made.kproxy is not None
        log = made.kproxy.log.read_text()
        told = log.count("the clock of this machine was set")
        assert 1 <= told <= len(chosen), f"the log tells {told} times of {len(chosen)} steps"
        made.settle()
        outcome = made.end()
    _times_follow(made.data, chosen)
    return outcome


def faked(clock: Path) -> dict[str, str]:
    """The environment of a process whose wall clock is moved by what stands in ``clock``."""
    library = next((path for path in FAKETIME if Path(path).exists()), None)
    if library is None:
        pytest.skip("faketime is not installed (tests/debian-packages.txt)")
    return {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _timers_are_right(made: Chain, seconds: float) -> None:
    """Clients that do not finish a line are answered behind five seconds: never sooner, and not later if there is time.

    A busy machine makes every wait longer now and then: so they are asked until one has been exact.
    """
    assert made.gate is not None
    before, began = len(made.gate.met), time.monotonic()
    shortest = math.inf
    while time.monotonic() < began + seconds or shortest > UNFINISHED_SECONDS * (1 + MOST_OFF):
        assert time.monotonic() < began + seconds + LIVENESS_SECONDS, f"five seconds take {shortest:.3f} s"
        shortest = min([shortest, *_waits()])
        assert shortest >= UNFINISHED_SECONDS * (1 - MOST_OFF), f"five seconds take {shortest:.3f} s"
    came = {meeting.sender for meeting in made.gate.met[before:]}
    assert len(came) == made.devices, f"{len(came)} of {made.devices} devices sent in {seconds:.0f} s"


def _waits() -> list[float]:
    """Seconds that some clients waited for an answer; without those that seemed to say nothing, for they were late."""
    asked = []
    for _client in range(CLIENTS):
        client = socket.create_connection(("127.0.0.1", HEALTH_PORT), LIVENESS_SECONDS)
        asked.append((client, time.monotonic()))
        client.sendall(b"unfinished")
        time.sleep(CLIENT_SECONDS)
    waited = []
    for client, at in asked:
        with client:
            if client.recv(100).startswith(b"Unknown command"):
                waited.append(time.monotonic() - at)
    return waited


def _times_follow(data: Path, jumps: list[int]) -> None:
    with duckdb.connect(str(data / "kcollect.duckdb"), read_only=True) as connection:
        latest = [
            connection.execute(
                "SELECT count(*) FROM flows WHERE abs(timestamp_nano / 1e9 - ?) < 600", [time.time() + jump]
            ).fetchone()
            for jump in jumps
            if abs(jump) > DAY
        ]
    assert all(row is not None and row[0] > 0 for row in latest), f"times of flows do not follow the clock: {latest}"


def devices_change(directory: Path, chance: random.Random) -> Outcome:
    """F21: a device is renamed, one more comes; the API talks garbage; it is away when kproxy starts again."""
    with chain(directory, devices=3, gated=True) as made:
        assert made.gate is not None and made.kproxy is not None
        made.load()
        time.sleep(1.5)
        made.devices_file([device(0, device_name="renamed"), device(1), device(2)])
        time.sleep(1.0)
        made.gate.everything = True
        garbage = chance.choice([b"{", b'{"devices": 7}', b"[" * 5000, b'{"devices": [{"id": "x"}]}', b"\0" * 100])
        made.gate.trick = _garbage(garbage)
        made.start_over()
        time.sleep(4.0)
        known = made.status()["Totals"]["RecordsReceived"]
        assert known, "flow of known devices is not taken while the API talks garbage"
        made.gate.close()
        made.start_over()
        time.sleep(2.0)
        made.gate.trick, made.gate.everything = tricks.Request.forward, False
        made.gate.open()
        made.kproxy.wait_until_ready(HEALTH_PORT)
        made.settle()
        return made.end()


def _garbage(body: bytes) -> tricks.Trick:
    def trick(request: tricks.Request) -> None:
        if request.path.startswith("/chf"):
            request.say(503)
        else:
            request.say(200, {"Content-Type": "application/json"}, body)

    return trick


def second_instance(directory: Path, chance: random.Random) -> Outcome:
    """F22: a second kproxy on the same state directory, and a second kcollect on the same store, end with one line."""
    with chain(directory) as made:
        made.load()
        time.sleep(chance.uniform(0.5, 2.0))
        bin_directory = Path(sys.executable).parent
        for command in (
            [bin_directory / "kproxy", *made.kproxy_flags(), "-port=7995"],
            [bin_directory / "kcollect", "-listen=127.0.0.1:7080", f"-data={made.data}", "-auto_register"],
        ):
            second = subprocess.run(
                [str(part) for part in command],
                env=os.environ | CREDENTIALS,
                cwd=directory,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            said = second.stderr.splitlines()
            assert second.returncode in (1, os.EX_CONFIG), f"{command[0]} ended with {second.returncode}"
            assert len(said) == 1 and "in use" in said[0], f"{command[0]} said {said}"
        made.settle()
        return made.end()


def log_blocked(directory: Path, chance: random.Random) -> Outcome:
    """F33: kproxy's log goes into a pipe that is full and that nobody reads; flow goes on, the pages too."""
    fifo = directory / "pipe"
    os.mkfifo(fifo)
    reading = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        while True:
            os.write(reading, b"x" * 4096)
    except BlockingIOError:
        pass
    prefix = ["/bin/sh", "-c", f'exec "$@" >{fifo} 2>&1', "sh"]
    try:
        with chain(directory, "-stdout", "-log_level=access", prefix=prefix) as made:
            made.load()
            time.sleep(chance.uniform(4.0, 8.0))
            assert made.watch.slowest < 2.0, f"a page took {made.watch.slowest:.1f} s"
            made.settle()
            return made.end()
    finally:
        os.close(reading)
