"""kbgp as a process: its log, its port, its exit statuses, and where its token is not."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.commands.processes import SECONDS, environment, free_port, run

SCRIPT = (sys.executable, "-c", "from kproxy_tw.commands.run import kbgp; kbgp()")
TWISTD = (sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "kbgp")
TOKEN = "canary-token-4711"
CREDENTIALS = {"KENTIK_API_EMAIL": "ops@example.com", "KENTIK_API_TOKEN": TOKEN}


def flags(*more: str) -> list[str]:
    """A target that nobody listens on, and a free port for routers."""
    return ["--target", f"127.0.0.1:{free_port()}", "--insecure", f"--listen=127.0.0.1:{free_port()}", *more]


def started(form: tuple[str, ...], folder: Path, *more: str) -> tuple[subprocess.Popen[str], int]:
    """Start kbgp, and wait for its status port."""
    port = free_port()
    process = subprocess.Popen(
        [*form, *flags(*more), f"--metrics-port={port}"],
        cwd=folder,
        env=environment(**CREDENTIALS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("the status port does not come up")


@pytest.mark.parametrize("form", [SCRIPT, TWISTD], ids=["script", "twistd -n"])
def test_start_and_stop(form: tuple[str, ...], tmp_path: Path) -> None:
    """One JSON object per line, 0 after SIGTERM, nothing on stderr, no file left, no token anywhere."""
    process, port = started(form, tmp_path)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/admin/status", timeout=SECONDS) as answer:
        status = answer.read().decode()
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=SECONDS)
    lines = [json.loads(line) for line in output.splitlines()]
    assert (process.returncode, errors) == (0, "")
    assert any(line["message"].startswith("listening for BGP on 127.0.0.1:") for line in lines)
    assert {line["service"] for line in lines} == {"ktbgp-agent"}
    assert json.loads(status)["Config"]["APIEmail"] == "ops@example.com"
    assert TOKEN not in output + status
    assert list(tmp_path.iterdir()) == []


def test_logs_for_people(tmp_path: Path) -> None:
    """--human-logs."""
    process, _port = started(SCRIPT, tmp_path, "--human-logs")
    process.send_signal(signal.SIGTERM)
    output, _errors = process.communicate(timeout=SECONDS)
    assert " INF listening for BGP on 127.0.0.1:" in output
    assert " service=ktbgp-agent" in output


def test_a_port_in_use(tmp_path: Path) -> None:
    """Status 1 and one line."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        place = f"127.0.0.1:{other.getsockname()[1]}"
        ended = run([*SCRIPT, *flags("--metrics-port=0", f"--listen={place}")], tmp_path, **CREDENTIALS)
    assert ended.returncode == 1
    assert ended.stderr == f"kbgp: cannot listen on {place}: Address already in use; is another instance running?\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--listen", "192.0.2.77:0"], 1, "no interface of this machine has that address"),
        (["--listen", "router:179"], 78, "-listen: 'router' is no IP address"),
        (["--multi", "0"], 2, "-multi must be at least 1"),
        (["--target", "192.0.2.1:443"], 78, "-insecure: "),
        (["--tls-ca-file", "/nonexistent/ca.pem"], 0, ""),
    ],
)
def test_starts_that_fail(arguments: list[str], status: int, said: str, tmp_path: Path) -> None:
    """One line and the right status; a file that plaintext does not need is not looked at."""
    if status == 0:
        process, _port = started(SCRIPT, tmp_path, *arguments)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)
        assert process.returncode == 0
        return
    ended = run([*SCRIPT, *flags("--metrics-port=0"), *arguments], tmp_path, **CREDENTIALS)
    assert (ended.returncode, ended.stderr.count("\n")) == (status, 1)
    assert said in ended.stderr


def test_no_credentials(tmp_path: Path) -> None:
    """78, and the way out."""
    ended = run([*SCRIPT, *flags()], tmp_path)
    assert (ended.returncode, ended.stderr) == (78, "kbgp: -email: is missing; give --email or set KENTIK_API_EMAIL\n")


def test_numpy_is_not_loaded() -> None:
    """kbgp stays light: nothing of the flow side comes in with it."""
    program = (
        "import sys, kproxy_tw.commands.kbgp, kproxy_tw.bgp.assembly, kproxy_tw.commands.configuration_kbgp;"
        "print([name for name in ('numpy', 'duckdb', 'capnp') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS, check=True)
    assert ended.stdout == "[]\n"
