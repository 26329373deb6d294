"""A Debian root with systemd as its first process, in namespaces of its own: what happens on a machine happens here.

The units run as they are: sandbox, system call filter, sockets, restarts.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.interop.namespaces import Namespace, need_namespaces
from tests.packaging.units import PATH, eventually

COMMAND_SECONDS = 300.0
SYSTEMD = "/lib/systemd/systemd"

#: Becomes systemd in a root that takes the place of everything mounted.
ENTER = f"""
set -eu
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p .outside
pivot_root . .outside
umount -l /.outside
mount --make-rshared /
exec env -i container=test PATH={PATH} {SYSTEMD} --unit=multi-user.target --show-status=no --log-target=journal
"""


def need_systemd() -> None:
    """Skip the test, and say so, where a root cannot be booted."""
    need_namespaces()
    if _unified() is None:
        pytest.skip("NOT TESTED under systemd: no cgroup2 mounted")


def _unified() -> Path | None:
    """Find where the unified hierarchy of control groups is mounted."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _device, place, kind, *_rest = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


class Booted:
    """A running system; use it as a context manager.

    :param space: its network.
    """

    def __init__(self, root: Path, space: Namespace) -> None:
        self.root, self.space = root, space
        unified = _unified()
        assert unified is not None
        self._group = unified / f"kproxy-tw-test-{os.getpid()}"

    def __enter__(self) -> Self:
        self._group.mkdir()
        unshare = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child=KILL"]
        system = self.space.prefix(*unshare, "sh", "-c", ENTER, "sh", str(self.root))
        join = f'echo $$ > "{self._group}/cgroup.procs"; exec "$@"'
        self._log = self.root.with_suffix(".console")
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                ["sh", "-euc", join, "sh", *system], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            eventually(self._is_up, "systemd is not up")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_failure: object) -> None:
        self.kill()

    def _is_up(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        if not self._children():
            return False
        state = self.run("systemctl", "is-system-running", check=False).strip()
        return state in ("running", "degraded")

    def _children(self) -> list[str]:
        number = self._process.pid
        return Path(f"/proc/{number}/task/{number}/children").read_text().split()

    def prefix(self, *command: str) -> list[str]:
        """``command`` as it is run inside."""
        (first,) = self._children()
        into = [
            "nsenter",
            f"--target={first}",
            "--mount",
            "--pid",
            "--ipc",
            "--uts",
            "--net",
            "--cgroup",
            "--root",
            "--wd",
        ]
        environment = [f"PATH={PATH}", "LANG=C.UTF-8", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
        return [*into, "env", "-i", *environment, *command]

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command inside; what it printed, on both channels."""
        ended = subprocess.run(
            self.prefix(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert ended.returncode == 0 or not check, f"{' '.join(command)}: {ended.returncode}\n{ended.stdout}"
        return ended.stdout

    def show(self, unit: str, name: str) -> str:
        """Give a property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def processes(self, unit: str) -> Sequence[Path]:
        """Give the folders below ``/proc``, as seen from outside, of what a unit runs; the main one is first."""
        group = self._group / self.show(unit, "ControlGroup").lstrip("/")
        return [Path("/proc", number) for number in (group / "cgroup.procs").read_text().split()]

    def journal(self, unit: str) -> str:
        """Give what a unit has logged."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}")

    def kill(self) -> None:
        """End it and everything that runs in it."""
        self._process.kill()
        self._process.wait()
        eventually(lambda: "populated 0" in (self._group / "cgroup.events").read_text(), "its processes are gone")
        for folder, _folders, _files in os.walk(self._group, topdown=False):
            Path(folder).rmdir()
