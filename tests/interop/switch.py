"""Open vSwitch as an exporter: its own daemons on its user-space test datapath, so that it runs anywhere."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.interop.peers import drain, receiver

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
START_SECONDS = 10.0
CACHE_SECONDS = 3.0
"""Longer than its caches keep a flow."""

EXPORTS = {
    "ipfix": ["--id=@export", "create", "IPFIX", "sampling=1", "obs_domain_id=123", "cache_active_timeout=1"],
    "netflow": ["--id=@export", "create", "NetFlow", "active_timeout=1"],
}


class Switch:
    """A bridge ``br0`` with the ports ``p1`` and ``p2``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._database = f"unix:{directory}/db.sock"

    def vsctl(self, *arguments: str) -> None:
        """Configure it."""
        self.run("ovs-vsctl", f"--db={self._database}", *arguments)

    def run(self, *command: str) -> None:
        """Run one of its commands."""
        subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=START_SECONDS)

    @property
    def environment(self) -> dict[str, str]:
        """Keeps all of its files in our folder."""
        names = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        return os.environ | dict.fromkeys(names, str(self._directory))

    def receive(self, frame: bytes) -> None:
        """A frame comes in at ``p1``."""
        self.run("ovs-appctl", "-t", f"{self._directory}/switch.ctl", "netdev-dummy/receive", "p1", frame.hex())

    def daemons(self) -> list[list[str]]:
        """The command lines of its daemons."""
        folder = self._directory
        database = ["ovsdb-server", f"{folder}/conf.db", f"--remote=p{self._database}", f"--unixctl={folder}/db.ctl"]
        switch = ["ovs-vswitchd", "--enable-dummy=override", "--disable-system", f"--unixctl={folder}/switch.ctl"]
        return [[*database, "-vconsole:off"], [*switch, "-vconsole:off", self._database]]


@contextmanager
def switch(directory: Path) -> Iterator[Switch]:
    """A running switch; it ends with the block."""
    made = Switch(directory)
    made.run("ovsdb-tool", "create", str(directory / "conf.db"), str(SCHEMA))
    processes = []
    try:
        for index, command in enumerate(made.daemons()):
            processes.append(subprocess.Popen(command, env=made.environment))
            wanted = directory / ("db.sock" if index == 0 else "switch.ctl")
            until = time.monotonic() + START_SECONDS
            while not wanted.exists() and time.monotonic() < until:
                time.sleep(0.05)
            if index == 0:
                made.vsctl("--no-wait", "init")
        ports = [word for port in ("p1", "p2") for word in _port(port)]
        made.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath-type=dummy", "fail-mode=standalone", *ports)
        yield made
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(START_SECONDS)


def _port(name: str) -> list[str]:
    return ["--", "add-port", "br0", name, "--", "set", "interface", name, "type=dummy"]


def exported(kind: str, frames: Iterable[bytes], directory: Path) -> list[bytes]:
    """What a switch exports of frames as ``ipfix`` or ``netflow``."""
    with receiver() as sock, switch(directory) as made:
        column, target = kind, f'targets="127.0.0.1:{sock.getsockname()[1]}"'
        made.vsctl("--", "set", "Bridge", "br0", f"{column}=@export", "--", *EXPORTS[kind], target)
        for frame in frames:
            made.receive(frame)
        time.sleep(CACHE_SECONDS)
        return drain(sock)
