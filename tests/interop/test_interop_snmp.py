"""snmpd, kproxy, kcollect: what a real agent says arrives and is shown, flows go on, and no secret leaves."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from kproxy_tw.testing.exporters import NetFlow9Exporter
from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get, get_json
from kproxy_tw.testing.snmpd import Snmpd
from kproxy_tw.testing.traffic import make_flows
from tests.interop import peers
from tests.interop import snmp_canaries as canary

SOURCE, OTHER_SOURCE = "127.0.0.21", "127.0.0.22"
LOOPBACK = 1
"""The interface index of ``lo``."""

COLUMNS = {
    **dict.fromkeys(("APP_PROTOCOL", *(f"INT0{place}" for place in range(7))), "uint32"),
    **{f"INT64_0{place}": "uint64" for place in range(10)},
    **dict.fromkeys(("STR00", "STR01", "input_interface_name"), "string"),
    "input_interface_speed": "uint32",
}
IDS = {name: 2880 + place for place, name in enumerate(COLUMNS)}
CUSTOM = [{"col_name": name, "field_id": str(IDS[name]), "col_type": kind} for name, kind in COLUMNS.items()]
CREDENTIALS = {"KENTIK_API_EMAIL": "tests@example.com", "KENTIK_API_TOKEN": "C4NARY-token"}
WAIT_SECONDS = 60.0

SYSTEM = {
    name: f"1.3.6.1.2.1.1.{place}.0" for name, place in {"Descr": 1, "Contact": 4, "Name": 5, "Location": 6}.items()
}
"""The system group (RFC 3418)."""


@attrs.frozen
class Chain:
    """kproxy and kcollect, running."""

    proxy: Daemon
    collector: Daemon
    flow_port: int
    collector_port: int

    def polls(self, number: int) -> int:
        """Finished polls of a device; 0 as long as kproxy does not show it."""
        if get(self.flow_port + 1, f"/admin/devices/{number}")[0] != http.client.OK:
            return 0
        return int(self.device(number)["Sums"]["Polls"])

    def device(self, number: int) -> Any:
        """``SNMP`` of a device at kproxy."""
        return get_json(self.flow_port + 1, f"/admin/devices/{number}")["SNMP"]


@contextmanager
def chain(directory: Path, devices: Path, *flags: str, **environment: str) -> Iterator[Chain]:
    """Both daemons."""
    flow_port, collector_port = free_port_pair(), free_port()
    collect = ["kcollect", f"-listen=127.0.0.1:{collector_port}", f"-data={directory / 'data'}", f"-devices={devices}"]
    proxy = [
        "kproxy",
        "-host=127.0.0.1",
        f"-port={flow_port}",
        f"-api=http://127.0.0.1:{collector_port}/api/internal",
        f"-state_dir={directory / 'state'}",
        "-snmp_allow=127.0.0.0/8",
        *flags,
    ]
    with Daemon(collect, log=directory / "kcollect.log") as collector:
        collector.wait_until_ready(collector_port)
        with Daemon(proxy, log=directory / "kproxy.log", environment=CREDENTIALS | environment) as kproxy:
            kproxy.wait_until_ready(flow_port + 1)
            yield Chain(kproxy, collector, flow_port, collector_port)


def wait_for(condition: Callable[[], object], directory: Path) -> None:
    """Until the condition holds."""
    until = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < until, (directory / "kproxy.log").read_text()
        time.sleep(0.2)


def send_flows(port: int, datagrams: int) -> int:
    """NetFlow v9 of interface ``lo``; the number of flows."""
    exporter, flows = NetFlow9Exporter(time.time()), make_flows(25, np.random.default_rng(1))
    flows["input"], flows["output"] = LOOPBACK, 77
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((SOURCE, 0))
        for _datagram in range(datagrams):
            sock.sendto(exporter.datagram(flows, time.time()), ("127.0.0.1", port))
    return datagrams * len(flows)


def kernel(what: str) -> int:
    """What the kernel says of ``lo``."""
    return int(Path("/sys/class/net/lo", what).read_text())


def test_what_an_agent_says_arrives_and_flows_go_on(tmp_path: Path) -> None:
    """Interfaces, counters, health, names in flows, at kproxy and at kcollect, by version 2c and by version 3."""
    began = kernel("statistics/rx_bytes")
    with canary.running(tmp_path) as agent:
        devices = canary.device_file(
            tmp_path,
            canary.api_device(
                7,
                agent,
                SOURCE,
                device_snmp_community=canary.COMMUNITY,
                custom_column_data=CUSTOM,
                device_sample_rate="1",
            ),
            canary.api_device(8, agent, OTHER_SOURCE, device_snmp_v3_conf=canary.user()),
        )
        # Device 7 is polled since it sends flow; device 8 without having sent any.
        flags = ("-bootstrap_devices=8", "-snmp_counter_seconds=3", "-snmp_description_seconds=30")
        with chain(tmp_path, devices, *flags) as running:
            assert get(running.flow_port + 1, "/devices/7")[0] == 404
            sent = send_flows(running.flow_port, 4)
            wait_for(lambda: running.polls(7) and running.polls(8), tmp_path)
            sent += send_flows(running.flow_port, 40)
            wait_for(lambda: running.polls(7) >= 3 and _rates(running, 7), tmp_path)
            _check_device(running, agent)
            _check_version_3(running)
            _check_collector(running, began)
            _check_flows(running, sent)
            metrics = get(running.flow_port + 1, "/metrics")[1].decode()
            assert 'kproxy_snmp_polls_total{device="edge7",outcome="failed"} 0.0' in metrics
            assert running.proxy.stop() == 0


def _rates(running: Chain, device: int) -> list[Mapping[str, float]]:
    """The rates of ``lo`` that kcollect has."""
    rows = get_json(running.collector_port, f"/snmp/counters?device_id={device}")
    return [row["Deltas"] for row in rows if row["Index"] == LOOPBACK and row["Deltas"].get("InOctets")]


def _check_device(running: Chain, agent: Snmpd) -> None:
    """kproxy's own JSON and page, beside what the kernel and net-snmp's client say."""
    snmp = running.device(7)
    for name, oid in SYSTEM.items():
        assert snmp["System"][name] == (agent.get(oid) or "").strip('"')
    assert snmp["Error"] == ""
    assert snmp["Latest"]["Effort"]["Timeouts"] == 0
    lo = next(one for one in snmp["Interfaces"] if one["Index"] == LOOPBACK)
    assert (lo["Name"], lo["MTU"], lo["OperStatus"]) == ("lo", kernel("mtu"), 1)
    assert {"Address": "127.0.0.1", "PrefixLength": 8} in lo["Addresses"]
    assert {one["Name"] for one in snmp["Interfaces"]} >= {path.name for path in Path("/sys/class/net").iterdir()}
    memory = next(one for one in snmp["Health"]["Memories"] if "hysical" in one["Name"])
    assert memory["Total"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    page = get(running.flow_port + 1, "/devices/7")[1].decode()
    assert "simulated" in page
    assert 'class="ratelines"' in page
    assert get_json(running.flow_port + 1, "/admin/status")["Polling"]["Targets"] == 2


def _check_version_3(running: Chain) -> None:
    snmp = running.device(8)
    assert snmp["System"]["Name"] == "simulated"
    assert (snmp["Latest"]["V3"]["Level"], snmp["Target"]["Level"]) == ("authPriv", "authPriv")
    assert get_json(running.flow_port + 1, "/admin/devices/8")["LastSeen"] == "0001-01-01T00:00:00Z"


def _check_collector(running: Chain, began: int) -> None:
    """What is stored: interfaces, growth that is not more than the kernel counted, the page, the device API."""
    listed = get_json(running.collector_port, "/snmp/devices")["Devices"]
    assert [(one["DeviceID"], one["System"]["sys_name"]) for one in listed] == [(7, "simulated"), (8, "simulated")]
    interfaces = get_json(running.collector_port, "/snmp/interfaces?device_id=7")
    lo = next(one for one in interfaces if one["Index"] == LOOPBACK)
    assert lo["Described"]["desc"] == "lo"
    assert (lo["Described"]["address"], lo["Described"]["netmask"]) == ("127.0.0.1", "255.0.0.0")
    grown = sum(int(deltas["InOctets"]) for deltas in _rates(running, 7))
    assert 0 < grown <= kernel("statistics/rx_bytes") - began
    page = get(running.collector_port, "/snmp/7")[1].decode()
    assert "simulated" in page
    assert 'class="ratelines"' in page
    first = _device_api(running.collector_port, "/api/internal/device/7/interfaces")[0]
    assert (first["snmp_id"], first["interface_description"]) == ("1", "lo")


def _device_api(port: int, path: str) -> Any:
    """GET with credentials, as agents do."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"X-CH-Auth-Email": "a@example.com", "X-CH-Auth-API-Token": "t"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _check_flows(running: Chain, sent: int) -> None:
    """Every flow arrived, those of an unknown interface with its index; later ones carry the name of theirs."""
    ledger = get_json(running.flow_port + 1, "/admin/devices/7")["Ledger"]
    records = running.device(7)["Sending"]["MetricRecords"]
    assert records > 0
    totals = peers.settled_ledger(running.flow_port + 1, sent + records)
    assert totals["RecordsForwarded"] == totals["RecordsReceived"] >= sent + records
    assert sum(ledger["RecordsDropped"].values()) == 0
    assert peers.stored_totals(running.collector_port).flows == sent
    stored = get_json(running.collector_port, "/flows?device_id=7&limit=5000")
    traffic = [flow for flow in stored if not flow.get("isMetric")]
    assert {flow["outputPort"] for flow in traffic} == {77}
    named = [flow for flow in traffic if "lo" in (one["value"] for one in flow.get("custom", ()))]
    assert len(named) >= 40 * 25
    metrics = [flow for flow in stored if flow.get("isMetric")]
    assert {flow["appProtocol"] for flow in metrics} <= {5, 12}
    assert any(flow["appProtocol"] == 5 and flow["inputPort"] == LOOPBACK for flow in metrics)


def test_a_check_says_precisely_what_fails(tmp_path: Path) -> None:
    """Six devices of one file: five fail in five ways, told apart; the exit status is 69. The good one alone: 0."""
    with canary.running(tmp_path) as agent:
        good = {"device_id": 1, "snmp_ip": canary.address(agent), "snmp_v3": canary.user()}
        bad: dict[int, dict[str, object]] = {
            2: {"snmp_comm": "C4NARY-wrong"},
            3: {"snmp_v3": json.dumps(canary.user(UserName="stranger"))},
            4: {"snmp_v3": canary.user(AuthenticationPassphrase="C4NARY-wrong")},
            5: {"snmp_v3": canary.user(PrivacyPassphrase="C4NARY-wrong")},
            6: {"snmp_v3": canary.user(UserName="authonly")},
            7: {"snmp_comm": canary.COMMUNITY, "snmp_ip": f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"},
        }
        others = [{"device_id": number, "snmp_ip": canary.address(agent), **fields} for number, fields in bad.items()]
        status, text = check(tmp_path, [good, *others])
        assert status == 69
        parts = dict(enumerate(text.split("\nDevice "), 1))
        assert "level               authPriv" in parts[1]
        assert "simulated" in parts[1]
        assert "failed" not in parts[1]
        for number, said in {
            2: "agents do not answer a wrong community",
            3: "failed: unknown user",
            4: "failed: wrong authentication",
            5: "failed: wrong privacy",
            6: "failed: unsupported security level",
            7: "failed: port closed",
        }.items():
            assert said in parts[number], parts[number]
        assert check(tmp_path, [good])[0] == 0
        assert check(tmp_path, []) == (78, "")
        assert check(tmp_path, [good, {**good, "device_id": 2, "snmp_ip": "C4NARY"}]) == (78, "")


def check(directory: Path, devices: list[dict[str, object]]) -> tuple[int, str]:
    """``kproxy -test_snmp`` with these devices in the file: its status, and what it says; no secret is in it."""
    path = directory / "snmp.json"
    path.write_text(json.dumps({"devices": devices}))
    command = [
        *(peers.ours("kproxy"), "-test_snmp", f"-snmp_file={path}", f"-state_dir={directory / 'state'}"),
        *("-snmp_allow=127.0.0.1", "-snmp_timeout_seconds=1", "-snmp_retries=0"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "C4NARY" not in ended.stdout + ended.stderr
    return ended.returncode, ended.stdout


def test_no_secret_appears_anywhere_and_a_bad_file_keeps_the_old_one(tmp_path: Path) -> None:
    """Logs at their loudest, pages, JSON, metrics, process list, every file below the state directory."""
    settings = tmp_path / "snmp.json"
    with canary.running(tmp_path) as agent:
        devices = canary.device_file(
            tmp_path,
            canary.api_device(7, agent, SOURCE, device_snmp_community=canary.COMMUNITY, custom_column_data=CUSTOM),
            canary.api_device(8, agent, OTHER_SOURCE, device_snmp_v3_conf=canary.user()),
            canary.api_device(9, agent, "127.0.0.23", device_snmp_community="C4NARY-wrong"),
            canary.api_device(
                10, agent, "127.0.0.24", device_snmp_ip="169.254.169.254", device_snmp_community="C4NARY-x"
            ),
        )
        entry = {
            "device_id": 8,
            "snmp_ip": canary.address(agent),
            "snmp_comm": canary.COMMUNITY,
            "snmp_v3": canary.user(),
        }
        settings.write_text(json.dumps({"devices": [entry]}))
        flags = ("-bootstrap_devices=all", f"-snmp_file={settings}", "-log_level=debug", "-snmp_timeout_seconds=1")
        with chain(tmp_path, devices, *flags, KPROXY_SNMP_COMMUNITY="C4NARY-common") as running:
            for number in (7, 8, 9):
                wait_for(partial(running.polls, number), tmp_path)
            assert "credentials" in running.device(10)["Problem"]
            settings.write_text(json.dumps({"devices": [{**entry, "C4NARY-key": canary.COMMUNITY, "snmp_ip": "x"}]}))
            running.proxy.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "stay as they were" in running.proxy.log.read_text(), tmp_path)
            assert "line 1, device 8" in running.proxy.log.read_text()
            assert running.device(8)["Target"]["Level"] == "authPriv"
            said = [_everything(running), _process_list(running.proxy.process.pid)]
            assert running.proxy.stop() == 0
        said += [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
        said += [(tmp_path / name).read_bytes().replace(b"C4NARY-key", b"") for name in ("kproxy.log", "kcollect.log")]
        assert not [text[:2000] for text in said if b"C4NARY" in text]


def _everything(running: Chain) -> bytes:
    """All that the pages, the JSON, the metrics and the text report say."""
    paths = ("/", "/admin/status", "/admin/devices", "/metrics", "/hc", "/readyz")
    per_device = [path for number in (7, 8, 9, 10) for path in (f"/devices/{number}", f"/admin/devices/{number}")]
    own = [get(running.flow_port + 1, path)[1] for path in (*paths, *per_device)]
    with socket.create_connection(("127.0.0.1", running.flow_port + 1)) as connection:
        connection.sendall(b"status\n")
        own.append(b"".join(iter(lambda: connection.recv(65536), b"")))
    theirs = ("/", "/snmp", "/snmp/7", "/snmp/devices", "/snmp/interfaces?device_id=7", "/snmp/counters?device_id=7")
    return b"".join([*own, *(get(running.collector_port, path)[1] for path in theirs)])


def _process_list(pid: int) -> bytes:
    """Command lines and titles of a process and all below it; there is one, that polls."""
    tree, found = [pid], []
    for parent in tree:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        tree += [int(child) for child in children]
        found += [Path(f"/proc/{parent}/{name}").read_bytes() for name in ("cmdline", "comm")]
    assert len(tree) > 1
    return b"\n".join(found)
