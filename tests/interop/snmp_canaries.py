"""A real agent with secrets to look for afterwards, and the settings that it is polled with."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from kproxy_tw.snmp.settings import AuthProtocol, PrivProtocol, V3Credentials
from kproxy_tw.testing.processes import free_port
from kproxy_tw.testing.snmpd import Snmpd, program

COMMUNITY, AUTH, PRIV = "C4NARY-community", "C4NARY-auth-phrase", "C4NARY-priv-phrase"
WATCHER = V3Credentials(
    user="watcher", auth=AuthProtocol.SHA, auth_pass_phrase=AUTH, priv=PrivProtocol.AES128, priv_pass_phrase=PRIV
)
AUTH_ONLY = V3Credentials(user="authonly", auth=AuthProtocol.SHA, auth_pass_phrase=AUTH)


@contextmanager
def running(directory: Path) -> Iterator[Snmpd]:
    """The agent: a community, a user of version 3 with both protocols, and one without privacy."""
    missing = [name for name in ("snmpd", "snmpget") if program(name) is None]
    if missing:
        pytest.skip(f"NOT TESTED against real peers: {', '.join(missing)} not installed (tests/debian-packages.txt)")
    folder = directory / "snmpd"
    folder.mkdir()
    port = free_port(socket.SOCK_DGRAM)
    with Snmpd(
        folder, port, community=COMMUNITY, users=(WATCHER, AUTH_ONLY), lines="sysContact noc@example.com\n"
    ) as agent:
        yield agent


def address(agent: Snmpd) -> str:
    """Where it listens, as settings have it."""
    return f"127.0.0.1:{agent.port}"


def user(**changes: str) -> dict[str, str]:
    """The user, as the API and the file write it."""
    known = {
        "UserName": WATCHER.user,
        "AuthenticationProtocol": "SHA",
        "AuthenticationPassphrase": AUTH,
        "PrivacyProtocol": "AES",
        "PrivacyPassphrase": PRIV,
    }
    return {**known, **changes}


def api_device(number: int, agent: Snmpd, source: str, **fields: object) -> Mapping[str, object]:
    """A device of the API that sends from ``source`` and is polled at ``agent``."""
    return {
        "id": str(number),
        "company_id": "1",
        "device_name": f"edge{number}",
        "sending_ips": [source],
        "device_snmp_ip": address(agent),
        **fields,
    }


def device_file(directory: Path, *devices: Mapping[str, object]) -> Path:
    """The ``-devices`` file of kcollect."""
    path = directory / "devices.json"
    path.write_text(json.dumps({"devices": devices}))
    return path
