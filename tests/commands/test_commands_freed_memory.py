"""Memory that was given back is there for whoever asks next, in every thread; what is left in cycles is found soon."""

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

THREADS = """
import ctypes
import sys
import threading
from kproxy_tw.commands.freed_memory import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
all_there = threading.Barrier(8)

def take():
    blocks = [bytearray(100_000) for _ in range(10)]
    all_there.wait()
    del blocks

threads = [threading.Thread(target=take) for _ in range(7)]
for thread in threads:
    thread.start()
all_there.wait()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""

ERRANDS = """
import gc
from threading import Semaphore
from twisted.python.threadpool import ThreadPool
from kproxy_tw.commands.startup import COLLECTION_THRESHOLDS

gc.collect()
gc.set_threshold(*COLLECTION_THRESHOLDS)
pool = ThreadPool(1, 1)
pool.start()
done = Semaphore(0)
for _ in range(8000):
    pool.callInThreadWithCallback(lambda *_: done.release(), int)
    done.acquire()
pool.stop()
print(sum(getattr(one, "__name__", "") == "inContext" for one in gc.get_objects()))
"""


def test_blocks_are_used_again() -> None:
    """120 MiB in blocks of up to 8 MiB, one after the other: 30,720 pages of 4 KiB if each came from the kernel."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert int(run.stdout) < 3072


def test_threads_share_few_heaps() -> None:
    """As glibc tells; left alone, it makes more for seven threads that take memory at the same time."""
    heaps = {}
    for mode in ("kept", "left alone"):
        command = [sys.executable, "-c", THREADS, mode]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        heaps[mode] = run.stdout.count("<heap nr=")
    assert heaps["kept"] == 4
    assert heaps["left alone"] > 4


def test_errands_do_not_pile_up() -> None:
    """Each that Twisted gives to a thread stays in a cycle, of several objects, until it is looked for."""
    run = subprocess.run([sys.executable, "-c", ERRANDS], capture_output=True, text=True, timeout=60, check=True)
    assert int(run.stdout) < 4000
