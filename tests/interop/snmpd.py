"""A real agent: net-snmp's ``snmpd`` on a port of this machine, with secrets to look for afterwards."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from kproxy_tw.testing.processes import free_port
from tests.interop import peers

PROGRAM = shutil.which("snmpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""

CANARIES = ("C4NARY-community", "C4NARY-auth-phrase", "C4NARY-priv-phrase")
"""Its community and pass phrases."""

COMMUNITY, AUTH, PRIV = CANARIES
SYSTEM = ("edge-router", "rack 7", "noc@example.com")
SYS_NAME = "1.3.6.1.2.1.1.5.0"
START_SECONDS = 20.0


@attrs.frozen
class Agent:
    """A running agent."""

    port: int

    @property
    def address(self) -> str:
        """Where it listens, as settings have it."""
        return f"127.0.0.1:{self.port}"


def user(**changes: str) -> dict[str, str]:
    """The user that the agent knows, as the API and the file write it."""
    known = {
        "UserName": "watcher",
        "AuthenticationProtocol": "SHA",
        "AuthenticationPassphrase": AUTH,
        "PrivacyProtocol": "AES",
        "PrivacyPassphrase": PRIV,
    }
    return {**known, **changes}


@contextmanager
def running(directory: Path) -> Iterator[Agent]:
    """The agent, with version 1 and 2c, and users of version 3 made by ``createUser``."""
    if not PROGRAM:
        pytest.skip("NOT TESTED against real peers: snmpd not installed (tests/debian-packages.txt)")
    peers.need("snmpget")
    port = free_port(socket.SOCK_DGRAM)
    name, location, contact = SYSTEM
    (directory / "persist").mkdir()
    (directory / "snmpd.conf").write_text(
        f"agentaddress udp:127.0.0.1:{port}\n"
        f"rocommunity {COMMUNITY} 127.0.0.1\n"
        f"createUser watcher SHA {AUTH} AES {PRIV}\nrouser watcher authpriv\n"
        f"createUser authonly SHA {AUTH}\nrouser authonly auth\n"
        f"sysName {name}\nsysLocation {location}\nsysContact {contact}\n"
    )
    environment = os.environ | {"SNMP_PERSISTENT_DIR": str(directory / "persist"), "SNMPCONFPATH": str(directory)}
    command = [PROGRAM, "-f", "-C", "-c", str(directory / "snmpd.conf"), "-Lf", str(directory / "snmpd.log")]
    with subprocess.Popen([*command, "-I", "-smux"], env=environment) as process:
        try:
            _wait(port, process)
            yield Agent(port)
        finally:
            process.terminate()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if get(port, SYS_NAME):
            return
        time.sleep(0.2)
    raise RuntimeError("snmpd does not answer")


def get(port: int, oid: str) -> str:
    """One value, as net-snmp's own client reads it; empty without an answer."""
    command = ["snmpget", "-v2c", "-c", COMMUNITY, "-Oqv", "-t", "1", "-r", "0", f"127.0.0.1:{port}", oid]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().strip('"')


def api_device(number: int, agent: Agent, source: str, **fields: object) -> Mapping[str, object]:
    """A device of the API that sends from ``source`` and is polled at ``agent``."""
    return {
        "id": str(number),
        "company_id": "1",
        "device_name": f"edge{number}",
        "sending_ips": [source],
        "device_snmp_ip": agent.address,
        **fields,
    }


def device_file(directory: Path, *devices: Mapping[str, object]) -> Path:
    """The ``-devices`` file of kcollect."""
    path = directory / "devices.json"
    path.write_text(json.dumps({"devices": devices}))
    return path
