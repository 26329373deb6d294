"""What people read about the flags."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kproxy_tw.commands import reference
from kproxy_tw.commands.flags_kproxy import KPROXY_FLAGS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "flags.rst"


def test_page_is_up_to_date(tmp_path: Path) -> None:
    """docs/flags.rst is what the tables say; otherwise: make docs-flags."""
    reference.main([str(tmp_path / "flags.rst")])
    assert (tmp_path / "flags.rst").read_text() == PAGE.read_text(), "out of date, run: make docs-flags"


def test_help_has_every_flag_once() -> None:
    """-h has exactly one line per flag, with its type."""
    lines = reference.help_text("kproxy", KPROXY_FLAGS).splitlines()
    for flag in KPROXY_FLAGS:
        (line,) = (line for line in lines if re.match(rf"  (-\w+, )*-{flag.name}(, -\w+)*( |$)", line))
        assert f"({flag.kind}" in line


@pytest.mark.parametrize(
    "words",
    [
        ("-port", "(int; default 9995)"),
        ("-api_email EMAIL", "(string; or $KENTIK_API_EMAIL)"),
        ("-geo_small", "(bool; not yet)"),
        ("-realtime", "(bool; default true; obsolete)"),
        ("-h, -help", "(bool)"),
    ],
)
def test_help_line(words: tuple[str, ...]) -> None:
    """A line tells default, environment variable and state."""
    lines = reference.help_text("kproxy", KPROXY_FLAGS).splitlines()
    assert any(line.strip().startswith(words[0]) and line.endswith(words[1]) for line in lines)
