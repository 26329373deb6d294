"""F33: kproxy whose log goes into a pipe that nobody reads."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

from kproxy_tw.testing.processes import STOP_SECONDS, answers, free_port, free_port_pair, get

SET_PIPE_SIZE = 1031
PIPE_BYTES = 4096
REQUESTS = 100


def test_a_blocked_log_blocks_nothing_else(tmp_path: Path) -> None:
    """The pipe is full from the start; pages answer at once, the metrics have the count, the stop is orderly."""
    port = free_port_pair()
    reading, writing = os.pipe()
    fcntl.fcntl(writing, SET_PIPE_SIZE, PIPE_BYTES)
    os.write(writing, b"x" * PIPE_BYTES)
    flags = [f"-port={port}", "-log_level=access", "-stdout", f"-api=http://127.0.0.1:{free_port()}/api/internal"]
    flags += [f"-state_dir={tmp_path}", "-api_email=a@example.com", "-api_token=canary-log"]
    command = [str(Path(sys.executable).parent / "kproxy"), *flags]
    with subprocess.Popen(command, stdout=writing, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
        try:
            os.close(writing)
            until = time.monotonic() + 20
            while not answers(port + 1, "/metrics"):
                assert time.monotonic() < until
                time.sleep(0.1)
            slowest = max(_seconds_of_a_page(port + 1) for _request in range(REQUESTS))
            assert slowest < 1.0
            assert 'kproxy_log_lines_lost_total{sink="stdout"}' in get(port + 1, "/metrics")[1].decode()
            process.terminate()
            assert process.wait(STOP_SECONDS) == 0
        finally:
            process.kill()
    os.close(reading)


def _seconds_of_a_page(port: int) -> float:
    began = time.monotonic()
    assert get(port, "/livez")[0] in (200, 404)
    return time.monotonic() - began
