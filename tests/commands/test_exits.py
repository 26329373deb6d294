"""The one line before the end."""

from __future__ import annotations

import pytest

from kproxy_tw.commands.exits import MAX_LINE, Exit, fail_start, failure_line


def test_fail_start(capfd: pytest.CaptureFixture[str]) -> None:
    """The line goes to stderr with the command in front, and the status is the given one."""
    with pytest.raises(SystemExit) as caught:
        fail_start("kproxy", Exit.BAD_CONFIGURATION, "-api_token: is missing")
    assert caught.value.code == 78
    assert capfd.readouterr() == ("", "kproxy: -api_token: is missing\n")


def test_one_line_whatever_the_message() -> None:
    """A message with line breaks, terminal codes or no end still is one short line."""
    assert failure_line("kproxy", "a\nb\r\n  c\x1b[2Jd") == "kproxy: a b c [2Jd"
    assert len(failure_line("kproxy", "x" * 10_000)) == MAX_LINE
