"""Starts the service of a systemd unit inside another root, the way systemd would, where systemd does not run.

What counts for the program is done: its user, ambient capabilities, environment and environment files, credentials,
sockets of the socket unit, the readiness message. The sandbox is the unit's own matter; ``systemd-analyze`` rates it.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

SECONDS = 60.0
UNITS = "lib/systemd/system"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
CAPABILITIES = {"CAP_NET_BIND_SERVICE": "+net_bind_service", "CAP_NET_RAW": "+net_raw"}

#: Becomes a program in another root, with its own /proc, and open sockets from 3 on.
ENTER = """
import ctypes, os, sys, warnings
root, descriptors, *command = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, RECURSIVE, PRIVATE = 0x20000, 0x4000, 0x40000
if libc.unshare(NEW_MOUNTS) or libc.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None):
    sys.exit("no mount namespace: " + os.strerror(ctypes.get_errno()))
if libc.mount(b"proc", (root + "/proc").encode(), b"proc", 0, None):
    sys.exit("no /proc: " + os.strerror(ctypes.get_errno()))
os.chroot(root)
os.chdir("/")
numbers = [int(number) for number in descriptors.split(",") if number]
high = [os.dup2(number, 100 + place, False) for place, number in enumerate(numbers)]
for place, number in enumerate(high):
    os.dup2(number, 3 + place)
if numbers:
    os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(command[0], command)
"""


def entered(root: Path, command: Sequence[str], descriptors: Sequence[int] = ()) -> list[str]:
    """Give the command line that runs a command inside a root."""
    return [sys.executable, "-c", ENTER, str(root), ",".join(map(str, descriptors)), *command]


def in_root(root: Path, *command: str) -> str:
    """Run a command inside a root; what it printed, on both channels."""
    ended = subprocess.run(
        entered(root, command),
        env={"PATH": PATH, "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=10 * SECONDS,
        check=False,
    )
    assert ended.returncode == 0, f"{command}: {ended.returncode}\n{ended.stdout}"
    return ended.stdout


def sections(text: str) -> dict[str, dict[str, list[str]]]:
    """Read a unit file, whose options may be there many times."""
    found: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            current = found.setdefault(line.strip("[]"), {})
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            current.setdefault(name, []).append(value)
    return found


def variables(text: str) -> dict[str, str]:
    """Read an environment file."""
    lines = (line.strip() for line in text.splitlines())
    parts = (line.partition("=") for line in lines if line and not line.startswith(("#", ";")))
    return {name: value for name, _, value in parts}


@attrs.define
class Unit:
    """A service unit of a root."""

    root: Path
    name: str
    process: subprocess.Popen[bytes] | None = None
    notified: socket.socket | None = None

    @property
    def service(self) -> dict[str, list[str]]:
        """The unit's own section."""
        return sections((self.root / UNITS / f"{self.name}.service").read_text())["Service"]

    def environment(self) -> dict[str, str]:
        """Give what systemd would set; a file with a dash before its name may be missing."""
        found = {"PATH": PATH, "LANG": "C.UTF-8"}
        for line in self.service.get("Environment", []):
            found |= variables("\n".join(shlex.split(line)))
        for name in self.service.get("EnvironmentFile", []):
            path = self.root / name.lstrip("-/")
            if path.exists():
                found.update(variables(path.read_text()))
            else:
                assert name.startswith("-"), f"{name} is missing"
        return found

    def command(self, environment: Mapping[str, str]) -> list[str]:
        """Give ``ExecStart``; a variable that is a word of its own becomes as many words as it holds."""
        words: list[str] = []
        for word in shlex.split(self.service["ExecStart"][0]):
            words += environment.get(word[1:], "").split() if word.startswith("$") else [word]
        return words

    def start(self, sockets: list[socket.socket], log: Path, *, ready: bool = True) -> None:
        """Start it with open sockets, and wait until it reports that it is ready."""
        environment = self.environment()
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(f"\0kproxy-tw-test-{os.getpid()}-{time.monotonic_ns()}")
        self.notified.settimeout(SECONDS)
        environment["NOTIFY_SOCKET"] = "@" + self.notified.getsockname()[1:].decode()
        environment["WATCHDOG_USEC"] = str(1_000_000)
        environment |= {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": ":".join(["unit"] * len(sockets))}
        user = self.service["User"][0]
        if "StateDirectory" in self.service:
            in_root(
                self.root, "install", "-d", "-m", "700", "-o", user, f"/var/lib/{self.service['StateDirectory'][0]}"
            )
        inner = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"]
        ambient = [CAPABILITIES[word] for word in self.service.get("AmbientCapabilities", [""])[0].split()]
        if ambient:
            inner += [f"--inh-caps={','.join(ambient)}", f"--ambient-caps={','.join(ambient)}"]
        inner += [f"--bounding-set={','.join(['-all', *ambient])}"]
        descriptors = [sock.fileno() for sock in sockets]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                entered(self.root, [*inner, *self.command(environment)], descriptors),
                env=environment,
                stdout=output,
                stderr=output,
                pass_fds=descriptors,
            )
        if ready:
            self.wait_notified("READY=1")

    def wait_notified(self, wanted: str) -> None:
        """Wait for a message to systemd that begins so."""
        assert self.notified is not None
        while not self.notified.recv(4096).decode().startswith(wanted):
            pass

    def kill(self) -> None:
        """End it in whatever way, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """Stop it as systemd does; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=SECONDS)


def socket_unit(root: Path, name: str, ports: Mapping[int, int]) -> list[socket.socket]:
    """Open what a socket unit names.

    :param ports: which free port of this machine stands for which of the unit.
    """
    section = sections((root / UNITS / f"{name}.socket").read_text())["Socket"]
    opened = []
    for option, kind in (("ListenDatagram", socket.SOCK_DGRAM), ("ListenStream", socket.SOCK_STREAM)):
        for address in section.get(option, []):
            host, _, port = address.rpartition(":")
            sock = socket.socket(socket.AF_INET if host else socket.AF_INET6, kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if not host:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            sock.bind((host or "::", ports[int(port)]))
            if kind == socket.SOCK_STREAM:
                sock.listen(128)
            else:
                sock.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE, as ReceiveBuffer= does
            opened.append(sock)
    return opened


def eventually(holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)
