"""Memory that was given back is there for the next who asks, without new pages from the kernel."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource
from kproxy_tw.commands.freed_memory import keep_freed_memory

def pages(blocks):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for size in blocks:
        bytearray(size)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

sizes = [1 << 20, 2 << 20, 4 << 20, 8 << 20] * 8
keep_freed_memory()
pages(sizes)
print(pages(sizes))
"""


def test_blocks_are_used_again() -> None:
    """120 MiB in blocks of up to 8 MiB, one after the other: 30,720 pages of 4 KiB if each came from the kernel."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert int(run.stdout) < 3072
