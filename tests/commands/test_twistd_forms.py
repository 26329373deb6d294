"""The commands as users type them: through twistd, from the checkout, in real processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kproxy_tw import __version__
from tests.commands.processes import free_port, run

TWISTD = (sys.executable, "-c", "from twisted.scripts.twistd import run; run()")
SCRIPT = (sys.executable, "-c", "from kproxy_tw.commands.run import kproxy; kproxy()")
FORMS = [(*TWISTD, "-n", "kproxy"), (*TWISTD, "kproxy"), SCRIPT]
IDS = ["twistd -n", "twistd", "script"]


def test_twistd_lists_the_commands(tmp_path: Path) -> None:
    """twistd --help shows both commands."""
    lines = run([*TWISTD, "--help"], tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in lines if line.lstrip().startswith(("kproxy ", "kcollect "))] == [
        "kcollect",
        "kproxy",
    ]


@pytest.mark.parametrize("form", FORMS, ids=IDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(form: tuple[str, ...], flag: str, tmp_path: Path) -> None:
    """Help goes to stdout, status 0, and leaves no file."""
    ended = run([*form, flag], tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Usage: kproxy [flags]\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS, ids=IDS)
@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_version(form: tuple[str, ...], flag: str, tmp_path: Path) -> None:
    """The version is kproxy's, not Twisted's."""
    ended = run([*form, flag], tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"kproxy {__version__}\n", "")


@pytest.mark.parametrize("form", FORMS, ids=IDS)
def test_unknown_flag(form: tuple[str, ...], tmp_path: Path) -> None:
    """A mistyped flag is status 2 and one line, not twistd's usage."""
    ended = run([*form, "-api_email", "x", "-hots=127.0.0.1"], tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "kproxy: unknown flag -hots, did you mean -host?; -h lists all flags\n"


@pytest.mark.parametrize("form", FORMS, ids=IDS)
def test_missing_credentials(form: tuple[str, ...], tmp_path: Path) -> None:
    """Without a token: status 78 and one line that names the flag."""
    ended = run([*form, "-api_email", "x@example.com", "-host=127.0.0.1", f"-state_dir={tmp_path}"], tmp_path)
    assert (ended.returncode, ended.stdout) == (78, "")
    assert "-api_token" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["epoll", "select"])
def test_other_reactor(name: str, tmp_path: Path) -> None:
    """Another reactor than asyncio's is refused in one line."""
    ended = run([*TWISTD, f"--reactor={name}", "-n", "kproxy"], tmp_path)
    assert ended.returncode == 78
    assert "asyncio reactor only" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_the_right_reactor_may_be_named(tmp_path: Path) -> None:
    """--reactor=asyncio is what we use anyway."""
    ended = run([*TWISTD, "--reactor=asyncio", "-n", "kproxy", "-v"], tmp_path)
    assert ended.returncode == 0


def test_the_token_is_not_printed(tmp_path: Path) -> None:
    """A start that fails does not print the token, wherever it came from."""
    port = free_port()
    for arguments, environment in ((["-api_token=canary-7"], {}), ([], {"KENTIK_API_TOKEN": "canary-7"})):
        ended = run([*SCRIPT, f"-port={port}", "-type=kflow", *arguments], tmp_path, **environment)
        assert ended.returncode == 78
        assert "canary" not in ended.stdout + ended.stderr
