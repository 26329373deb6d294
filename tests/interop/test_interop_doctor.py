"""``kproxy doctor`` beside a real snmpd: a line for each device that has SNMP settings."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair
from tests.commands.processes import environment
from tests.interop import peers
from tests.interop import snmp_canaries as canary

CREDENTIALS = {"KENTIK_API_EMAIL": "doctor@example.com", "KENTIK_API_TOKEN": "C4NARY-token"}


def doctor(directory: Path, collector: int, *flags: str) -> tuple[int, dict[str, list[tuple[str, str]]], str]:
    """Its status; level and advice of what it says of SNMP, by detail; and what it says on standard error."""
    command = [
        *(peers.ours("kproxy"), "doctor", "--json", f"-port={free_port_pair()}", "-host=127.0.0.1"),
        *(f"-api=http://127.0.0.1:{collector}/api/internal", f"-state_dir={directory}"),
        *("-snmp_timeout_seconds=1", "-snmp_retries=1", *flags),
    ]
    ended = subprocess.run(
        command, env=environment(**CREDENTIALS), capture_output=True, text=True, timeout=120, check=False
    )
    assert "C4NARY" not in ended.stdout + ended.stderr
    found: dict[str, list[tuple[str, str]]] = {}
    for one in map(json.loads, ended.stdout.splitlines()):
        if one["Name"] == "snmp":
            found.setdefault(one["Detail"], []).append((one["Level"], one["Advice"]))
    return ended.returncode, found, ended.stderr


def test_each_device_with_snmp_settings_has_a_line(tmp_path: Path) -> None:
    """One that answers by version 2c, one by 3, a silent one, one that the policy forbids, one that no account has."""
    collector, settings = free_port(), tmp_path / "snmp.json"
    with canary.running(tmp_path) as agent, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        common = {"device_snmp_community": canary.COMMUNITY}
        devices = canary.device_file(
            tmp_path,
            canary.api_device(7, agent, "127.0.0.21", **common),
            canary.api_device(8, agent, "127.0.0.22"),
            canary.api_device(9, agent, "127.0.0.23", **common, device_snmp_ip=f"127.0.0.1:{port}"),
            canary.api_device(10, agent, "127.0.0.24", **common, device_snmp_ip="169.254.169.254"),
            {"id": "11", "company_id": "1", "device_name": "without", "sending_ips": ["127.0.0.25"]},
        )
        of_file = [
            {"device_id": number, "snmp_ip": canary.address(agent), "snmp_v3": canary.user()} for number in (8, 99)
        ]
        settings.write_text(json.dumps({"devices": of_file}))
        flags = ("-snmp_allow=127.0.0.1", f"-snmp_file={settings}")
        listen = [f"-listen=127.0.0.1:{collector}", f"-data={tmp_path / 'data'}", f"-devices={devices}"]
        with Daemon(["kcollect", *listen], log=tmp_path / "log") as daemon:
            daemon.wait_until_ready(collector)
            status, found, _errors = doctor(tmp_path, collector, *flags)
            _status, forbidden, _errors = doctor(tmp_path, collector, f"-snmp_file={settings}")
        away, alone, _errors = doctor(tmp_path, collector, *flags)
        settings.write_text('{"devices": [{"device_id": 8, "snmp_ip": "nowhere"}]}')
        refused = doctor(tmp_path, collector, *flags)
        silent.setblocking(False)
        assert silent.recv(2048)  # it was asked
    settings.write_text(json.dumps({"devices": of_file}))
    _status, nobody, _errors = doctor(tmp_path, collector, *flags)
    assert [level for ((level, _advice),) in nobody.values()] == ["skip", "warn", "warn", "fail"]
    assert "no agent answers at all" in nobody
    where = canary.address(agent)
    quiet = next(detail for detail in found if detail.startswith(f"edge9 (#9), 127.0.0.1:{port}: "))
    assert "no answer to 2 requests, 1 s each" in quiet
    ((level, advice),) = found.pop(quiet)
    assert (status, level) == (0, "warn")
    assert "from this machine's address" in advice
    assert found == {
        f"edge7 (#7), {where} answers with version 2c: simulated": [("ok", "")],
        f"edge8 (#8), {where} answers with version 3: simulated": [("ok", "")],
        "edge10 (#10): not polled: 169.254.169.254 is where a cloud hands out this machine's credentials; "
        "-snmp_allow=169.254.169.254 would let it pass": [("warn", "")],
        "device 99 of -snmp_file is not in the account, and not polled": [
            ("warn", "create it there, or take it out of the file")
        ],
    }
    assert sum("-snmp_allow=127.0.0.1 would" in detail for detail in forbidden) == 3
    assert [level for ((level, _advice),) in alone.values()] == ["skip", "ok", "ok"]
    assert away == 1
    assert refused[:2] == (78, {})
    assert "device 8" in refused[2]
