"""Runs our commands as processes, the way a shell or a supervisor does."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = (sys.executable, str(Path(__file__).with_name("sample_daemon.py")))
SECONDS = 30.0

#: What the caller's shell may hold, and must not decide a test.
_OURS = ("KENTIK_API_EMAIL", "KENTIK_API_TOKEN", "KENTIK_REGION", "KENTIK_SITE", "SAMPLE_TROUBLE")


def environment(**extra: str) -> dict[str, str]:
    """Make an environment that finds the checkout and holds no credentials."""
    clean = {name: value for name, value in os.environ.items() if name not in _OURS}
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **extra}


def run(arguments: Sequence[str], folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a process to its end."""
    return subprocess.run(
        arguments, cwd=folder, env=environment(**extra), capture_output=True, text=True, timeout=SECONDS, check=False
    )


def start(arguments: Sequence[str], folder: Path, **extra: str) -> subprocess.Popen[str]:
    """Start a process and wait until it says that it is running."""
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        env=environment(**extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    ready, _, _ = select.select([process.stderr], [], [], SECONDS)
    assert ready, "the process said nothing"
    first = process.stderr.readline()
    assert first == "running\n", first + process.stderr.read()
    return process


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
    """Send a signal; give exit status, rest of stdout and of stderr."""
    process.send_signal(number)
    output, errors = process.communicate(timeout=SECONDS)
    return process.returncode, output, errors


def free_port() -> int:
    """Find a TCP port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Tell whether somebody listens on a TCP port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_gone(process: int) -> None:
    """Wait until a process that is no child of ours has ended."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        if _is_zombie(process):
            return
        time.sleep(0.05)
    raise AssertionError(f"process {process} does not end")


def _is_zombie(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True
