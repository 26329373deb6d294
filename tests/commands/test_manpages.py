"""The manual pages, read by troff."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from kproxy_tw.commands.flags import State
from kproxy_tw.commands.manpages import escaped, pages
from kproxy_tw.commands.reference import COMMANDS


@pytest.mark.parametrize("name", ["kproxy.8", "kbgp.8", "kcollect.8", "kentik.env.5"])
def test_troff_reads_them_without_a_word(name: str) -> None:
    """Groff, with every warning on, has none; the page has its name and its end."""
    if shutil.which("groff") is None:
        pytest.skip("needs groff")
    command = ["groff", "-ww", "-man", "-Tutf8", "-P-cbou"]
    ended = subprocess.run(command, input=pages()[name], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"{name.rsplit('.', 1)[0].upper()}({name[-1]})")
    assert "SEE ALSO" in ended.stdout


@pytest.mark.parametrize("command", [command for command, _, _ in COMMANDS])
def test_every_flag_is_there(command: str) -> None:
    """Those that work with their explanation, the others by name."""
    text = pages()[f"{command}.8"]
    (flags,) = (flags for name, _, flags in COMMANDS if name == command)
    for flag in flags:
        assert escaped(f"-{flag.name}") in text
        assert (escaped(flag.help[1:]) in text) or flag.state is not State.WORKS


def test_date_is_that_of_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is built again is the same."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert '"1970-01-02"' in pages()["kbgp.8"]
