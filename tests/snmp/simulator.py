"""snmpsim as a process of its own: it answers from recordings, which it tells apart by community or context."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, SnmpTarget, V3Credentials, Version
from kproxy_tw.testing.processes import Daemon, free_port
from tests.snmp.polling import target

RECORDINGS = Path(__file__).parent.parent / "data" / "snmp"

USER = V3Credentials(
    user="watcher",
    auth=AuthProtocol.SHA256,
    auth_pass_phrase="authenticating",
    priv=PrivProtocol.AES128,
    priv_pass_phrase="encrypting",
)

START_SECONDS = 60.0

LARGE, LARGE_INTERFACES = "large", 750
OCTETS_A_SECOND = {6: 12_500_000, 10: 25_000_000}
"""By column of ifXTable, ifHCInOctets and ifHCOutOctets of each interface of the large device: 100 and 200 Mbit/s."""


@attrs.frozen
class Simulator:
    """One that runs, on loopback."""

    port: int

    def target(self, recording: str, **settings: Any) -> SnmpTarget:
        """A device that is as the recording says."""
        return target(self.port, **{"community": recording, "timeout_seconds": 5.0, **settings})

    def target_of_user(self, recording: str, **settings: Any) -> SnmpTarget:
        """The same, asked by version 3: the recording is a context."""
        user = attrs.evolve(USER, context_name=recording)
        return self.target("", version=Version.V3, v3=user, **settings)


@contextmanager
def running(folder: Path) -> Iterator[Simulator]:
    """With all recordings, and that of the large device."""
    data, cache = folder / "recordings", folder / "cache"
    shutil.copytree(RECORDINGS, data)
    cache.mkdir()
    (data / f"{LARGE}.snmprec").write_text("\n".join(large_device()) + "\n", encoding="ascii")
    port = free_port(socket.SOCK_DGRAM)
    command = [
        "snmpsim-command-responder",
        f"--data-dir={data}",
        f"--cache-dir={cache}",
        "--log-level=error",
        *(f"--v3-user={USER.user}", "--v3-auth-proto=SHA256", f"--v3-auth-key={USER.auth_pass_phrase}"),
        *("--v3-priv-proto=AES", f"--v3-priv-key={USER.priv_pass_phrase}"),
        f"--agent-udpv4-endpoint=127.0.0.1:{port}",
        f"--agent-udpv6-endpoint=[::1]:{port}",
        # It drops privileges when it has any: to those that it has.
        f"--process-user={pwd.getpwuid(os.getuid()).pw_name}",
        f"--process-group={grp.getgrgid(os.getgid()).gr_name}",
    ]
    with Daemon(command, log=folder / "log") as daemon:
        _wait(daemon, port)
        yield Simulator(port)


def _wait(daemon: Daemon, port: int) -> None:
    """Until its sockets are there; it says that it listens before it does."""
    until = time.monotonic() + START_SECONDS
    while not all(_is_bound(port, table) for table in ("udp", "udp6")):
        assert daemon.process.poll() is None, daemon.log.read_text()
        assert time.monotonic() < until, daemon.log.read_text()
        time.sleep(0.1)


def _is_bound(port: int, table: str) -> bool:
    return any(line.split()[1].endswith(f":{port:04X}") for line in Path("/proc/net", table).read_text().splitlines())


def large_device() -> Iterator[str]:
    """The recording of a device with 750 interfaces, whose counters run."""
    indexes = range(1, LARGE_INTERFACES + 1)
    if_entry, if_x_entry = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"
    yield "1.3.6.1.2.1.1.1.0|4|a device with many interfaces"
    yield "1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.99999.1"
    yield "1.3.6.1.2.1.1.3.0|67:numeric|rate=100,initial=360000"
    yield "1.3.6.1.2.1.1.5.0|4|large"
    for column, value in {1: "2|{}", 2: "4|ge-0/0/{}", 3: "2|6", 4: "2|1500", 5: "66|1000000000", 8: "2|1"}.items():
        yield from (f"{if_entry}.{column}.{index}|{value.format(index)}" for index in indexes)
    yield from (f"{if_x_entry}.1.{index}|4|ge-0/0/{index}" for index in indexes)
    for column, rate in OCTETS_A_SECOND.items():
        counter = f"70:numeric|rate={rate},initial=1000000000"
        yield from (f"{if_x_entry}.{column}.{index}|{counter}" for index in indexes)
