"""Completion, asked of the shells themselves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kproxy_tw.commands.completion import write

#: Loads the completion of kproxy, completes the words that are given, and prints what is offered.
ASK_BASH = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _$1; printf "%s\\n" "${COMPREPLY[@]}"'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the files."""
    folder = tmp_path_factory.mktemp("completion")
    write(folder)
    return folder


def shell(*command: str | Path) -> str:
    """Run a shell; what it printed."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"needs {command[0]}")
    ended = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("kproxy", "-log"), {"-log_level", "-logstash"}),
        (("kproxy", "--log"), {"--log_level", "--logstash"}),
        (("kproxy", "-log_level", "de"), {"debug"}),
        (("kproxy", "-log_level", "=", "w"), {"warn"}),
        (("kproxy", "-port", "9"), {""}),
        (("kproxy", "dec"), {"decode"}),
        (("kproxy", "-stdout", "-plan"), {"-plan_fps"}),
        (("kproxy", "-geo"), {""}),
        (("kbgp", "-md5"), {"--md5-listen-interface"}),
        (("kbgp", "--log-level", "e"), {"error"}),
    ],
)
def test_bash_offers(made: Path, words: tuple[str, ...], offered: set[str]) -> None:
    """Flags that work, their values, tools; nothing where nothing can be guessed."""
    output = shell("bash", "-O", "extglob", "-c", ASK_BASH, made / "bash" / words[0], *words)
    found = set(output.split("\n")[:-1])
    assert found == offered


def test_bash_offers_files_and_folders(made: Path, tmp_path: Path) -> None:
    """Where the value is one."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.pem").touch()
    for flag, wanted in (("-tls_ca_file", {"folder", "file.pem"}), ("-state_dir", {"folder"})):
        ask = ASK_BASH.replace("source", f'compopt() {{ :; }}; cd "{tmp_path}"; source')
        assert set(shell("bash", "-c", ask, made / "bash/kproxy", "kproxy", flag, "").split()) == wanted


@pytest.mark.parametrize("command", ["kproxy", "kbgp", "kcollect"])
def test_zsh_and_fish_can_read_theirs(made: Path, command: str) -> None:
    """Both parse what was made for them."""
    shell("zsh", "-n", made / "zsh" / f"_{command}")
    shell("fish", "--no-execute", made / "fish" / f"{command}.fish")


def test_fish_offers(made: Path) -> None:
    """Fish completes flags and values."""
    ask = f"source {made}/fish/kproxy.fish; complete -C 'kproxy -log_level de'; complete -C 'kproxy -spool_'"
    assert {line.split("\t")[0] for line in shell("fish", "-c", ask).splitlines()} == {
        "debug",
        "-spool_full",
        "-spool_max_age",
        "-spool_max_bytes",
    }
