"""The limit of open files."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
from kproxy_tw.commands.open_files import raise_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
raise_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def limits_after(soft: int, hard: int) -> str:
    """What the limits are in a process that began with these."""
    program = PROGRAM.format(soft=soft, hard=hard)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    """More is not ours to take."""
    assert limits_after(256, 4000) == "4000 4000"


def test_a_limit_that_is_there_already_stays() -> None:
    """Nothing is lowered."""
    assert limits_after(4000, 4000) == "4000 4000"
