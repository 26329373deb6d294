"""Starting, stopping and failing to start, seen from outside: real processes of ``sample_daemon.py``."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.commands.processes import SAMPLE, accepts, free_port, run, start, stop, wait_gone

#: twistd's -n before the name, twistd's -n behind it, and the documents' own -fg.
FOREGROUND = [(*SAMPLE, "-n", "sample"), (*SAMPLE, "sample", "-n"), (*SAMPLE, "sample", "-fg", "-stdout")]
EVERY_FORM = [*FOREGROUND, (*SAMPLE, "sample")]


@pytest.mark.parametrize("form", FOREGROUND, ids=["before", "behind", "fg"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_drained_stop(form: tuple[str, ...], number: signal.Signals, tmp_path: Path) -> None:
    """SIGTERM and SIGINT let the service drain; the process ends with 0 and leaves nothing behind."""
    process = start([*form, f"-port={free_port()}"], tmp_path)
    status, output, errors = stop(process, number)
    assert (status, errors) == (0, "")
    assert f"{number.name} received" in output
    assert output.index("received") < output.index("drained")
    assert list(tmp_path.iterdir()) == []


def test_two_signals(tmp_path: Path) -> None:
    """An impatient second signal neither kills the drain nor changes the status."""
    process = start([*FOREGROUND[0], f"-port={free_port()}"], tmp_path)
    process.send_signal(signal.SIGTERM)
    status, output, _ = stop(process, signal.SIGINT)
    assert status == 0
    assert "drained" in output


def test_daemon(tmp_path: Path) -> None:
    """Without -n the shell gets 0 once the daemon runs; pid file and log are there; SIGTERM ends it."""
    port = free_port()
    started = run([*SAMPLE, "sample", f"-port={port}"], tmp_path)
    assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
    process = int((tmp_path / "twistd.pid").read_text())
    assert accepts(port)
    second = run([*SAMPLE, "sample", f"-port={port}"], tmp_path)
    os.kill(process, signal.SIGTERM)
    wait_gone(process)
    assert not (tmp_path / "twistd.pid").exists()
    assert "drained" in (tmp_path / "twistd.log").read_text()
    assert second.returncode == 1
    assert second.stderr.startswith(f"sample: process {process} of ")
    assert second.stderr.count("\n") == 1


def test_log_rotation_signal(tmp_path: Path) -> None:
    """SIGUSR1 begins a new log file, and does not end the daemon."""
    assert run([*SAMPLE, "sample", f"-port={free_port()}"], tmp_path).returncode == 0
    process = int((tmp_path / "twistd.pid").read_text())
    os.kill(process, signal.SIGUSR1)
    os.kill(process, signal.SIGTERM)
    wait_gone(process)
    assert "started" in (tmp_path / "twistd.log.1").read_text()
    assert "drained" in (tmp_path / "twistd.log").read_text()


@pytest.mark.parametrize("form", EVERY_FORM, ids=["before", "behind", "fg", "daemon"])
@pytest.mark.parametrize(
    ("trouble", "status", "line"),
    [
        ("configuration", 78, "sample: -api_token: is missing"),
        ("late configuration", 78, "sample: -tls_ca_file: cannot be read"),
        ("bug", 1, "sample: cannot start, this is a bug, see the log: ZeroDivisionError: 1/0"),
    ],
)
def test_failed_start(form: tuple[str, ...], trouble: str, status: int, line: str, tmp_path: Path) -> None:
    """Whatever is wrong, in every form: one line on stderr, the right status, no pid file."""
    ended = run([*form, f"-port={free_port()}"], tmp_path, SAMPLE_TROUBLE=trouble)
    assert (ended.returncode, ended.stderr) == (status, f"{line}\n")
    assert not (tmp_path / "twistd.pid").exists()


@pytest.mark.parametrize("form", EVERY_FORM, ids=["before", "behind", "fg", "daemon"])
def test_port_in_use(form: tuple[str, ...], tmp_path: Path) -> None:
    """A port that somebody else has is status 1 and one line that names address and port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run([*form, f"-port={port}"], tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"sample: cannot listen on 127.0.0.1:{port}: Address already in use; is another instance running?\n"
    )


def test_warnings_are_logged(tmp_path: Path) -> None:
    """Flags without effect are named in the log, and the start goes on."""
    process = start([*FOREGROUND[0], f"-port={free_port()}", "-tag_update=5", "-geo_small"], tmp_path)
    _, output, _ = stop(process)
    assert " warn kproxy_tw.commands.startup -geo_small is not implemented yet" in output
    assert " warn kproxy_tw.commands.startup -tag_update is obsolete" in output


@pytest.mark.parametrize(("level", "count"), [("debug", 1), ("info", 0)])
def test_log_level(level: str, count: int, tmp_path: Path) -> None:
    """-log_level decides whether debug lines are there."""
    process = start([*FOREGROUND[0], f"-port={free_port()}", f"-log_level={level}"], tmp_path)
    _, output, _ = stop(process)
    assert output.count(" debug kproxy_tw.sample looked at closely") == count


def test_a_daemon_has_no_stdout(tmp_path: Path) -> None:
    """-stdout for a daemon is refused with what to do."""
    ended = run([*SAMPLE, "sample", "-stdout"], tmp_path)
    assert ended.returncode == 78
    assert ended.stderr == "sample: -stdout: a daemon has no standard output; add -n, or leave -stdout out\n"
