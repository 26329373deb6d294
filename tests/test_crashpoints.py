"""The crash points: only a name that exists, and only as often as it says; all of them stand in the code."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kproxy_tw.crashpoints import NAMES, VARIABLE, parse
from tests import source

PROGRAM = """
from kproxy_tw.crashpoints import crash_point
for turn in range(1, 6):
    crash_point("sync"); crash_point("write")
    print(turn, flush=True)
"""


@pytest.mark.parametrize(("armed", "survived"), [("", 5), ("sync", 0), ("sync:3", 2), ("write:5", 4), ("nonsense", 5)])
def test_the_process_dies_where_it_is_told_to(armed: str, survived: int) -> None:
    """By SIGKILL, before the line of that turn; without the variable it ends by itself."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={VARIABLE: armed},
        cwd=source.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(ended.stdout.splitlines()) == survived
    assert ended.returncode == (0 if survived == 5 else -9)


@pytest.mark.parametrize("text", ["", "sink", "sync:", "sync:x", "sync:-1", ":3"])
def test_anything_else_arms_nothing(text: str) -> None:
    """A typing error must not kill a daemon."""
    assert parse(text) == ("", 0)


def test_every_name_stands_in_the_code_once() -> None:
    """What is documented is there."""
    texts = [path.read_text(encoding="utf-8") for path in source.files()]
    assert {name: sum(text.count(f'crash_point("{name}")') for text in texts) for name in NAMES} == dict.fromkeys(
        NAMES, 1
    )
