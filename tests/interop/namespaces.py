"""Network namespaces made for one test: an agent in the middle, a backend behind it, routers around it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

CLONE_NEWNET = 0x40000000
COMMAND_SECONDS = 30.0
NAMES = Path("/var/run/netns")


def need_namespaces() -> None:
    """Skip the test, and say so, where network namespaces cannot be made."""
    missing = [program for program in ("ip", "nft", "tc") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"NOT TESTED across networks: {', '.join(missing)} not installed (tests/debian-packages.txt)")
    name = f"kt{os.getpid()}probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"NOT TESTED across networks: no network namespaces here ({made.stderr.strip()})")
    subprocess.run(["ip", "netns", "del", name], check=True)


class Namespace:
    """One network namespace; use it as a context manager."""

    def __init__(self, name: str) -> None:
        self.name = f"kt{os.getpid()}{name}"

    def __enter__(self) -> Self:
        call("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *_failure: object) -> None:
        call("ip", "netns", "del", self.name)

    def prefix(self, *command: str) -> list[str]:
        """``command`` as it is run inside."""
        return [str(shutil.which("ip")), "netns", "exec", self.name, *command]

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside; its output."""
        return call(*self.prefix(*command), check=check)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Sockets that this thread opens in the meantime are inside."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/thread-self/ns/net").open() as home, (NAMES / self.name).open() as inside:
            assert libc.setns(inside.fileno(), CLONE_NEWNET) == 0
            try:
                yield
            finally:
                assert libc.setns(home.fileno(), CLONE_NEWNET) == 0

    def cut(self, interface: str, verdict: str = "drop") -> None:
        """Let nothing pass an interface in either direction.

        :param verdict: of nftables: ``drop``, which nobody notices by itself, or ``reject with tcp reset``.
        """
        for direction, match in (("input", "iifname"), ("output", "oifname")):
            rules = f"type filter hook {direction} priority 0; {match} {interface} meta l4proto tcp {verdict};"
            self.run("nft", f"table inet cut {{ chain {direction} {{ {rules} }}; }}")

    def mend(self) -> None:
        """Undo :meth:`cut`."""
        self.run("nft", "delete", "table", "inet", "cut", check=False)

    def throttle(self, interface: str, rate: str) -> None:
        """Send no faster than ``rate``, as ``tc`` writes it."""
        self.run("tc", "qdisc", "replace", "dev", interface, *f"root tbf rate {rate} burst 64kb latency 400ms".split())

    def link(self, other: Namespace, network: str, *, names: tuple[str, str] = ("", "")) -> None:
        """A cable to ``other``: ``10.<network>.0.1`` here and ``.2`` there, and the same in ``fd00:<network>::/64``."""
        here, there = names[0] or f"to{network}", names[1] or "agent"
        self.run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", other.name)
        for space, interface, number in ((self, here, 1), (other, there, 2)):
            space.run("ip", "addr", "add", f"10.{network}.0.{number}/24", "dev", interface)
            space.run("ip", "addr", "add", f"fd00:{network}::{number}/64", "dev", interface, "nodad")
            space.run("ip", "link", "set", "dev", interface, "up")


def call(*command: str, check: bool = True) -> str:
    """Run a command; its output. :raises AssertionError: it failed."""
    ended = subprocess.run(
        list(command), capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 0 or not check, f"{' '.join(command)}: {ended.stderr or ended.stdout}"
    return ended.stdout


def executable(*candidates: str) -> str:
    """The first of these programs that is there; skips the test, and says so, when none is."""
    for candidate in candidates:
        found = shutil.which(candidate)
        if found is not None:
            return found
    pytest.skip(f"NOT TESTED against real peers: {candidates[0]} not installed (tests/debian-packages.txt)")


def lines(values: Sequence[str]) -> str:
    """One value a line."""
    return "".join(f"{value}\n" for value in values)
