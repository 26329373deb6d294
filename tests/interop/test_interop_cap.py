"""The cap with real daemons: a plan shared by two devices, and what the collector makes of it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from kproxy_tw.testing.exporters import NetFlow9Exporter
from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get_json
from kproxy_tw.testing.traffic import make_flows
from tests.interop import peers

CREDENTIALS = {"KENTIK_API_EMAIL": "tests@example.com", "KENTIK_API_TOKEN": "canary-token-4711"}
PLAN_FPS = 300
OFFERED = {"127.0.0.41": 2, "127.0.0.42": 80}
"""Datagrams of 25 flows a second: 50 flows of the one, 2,000 of the other."""
SECONDS = 8
MOST_BYTES = 20_000
"""Of a flow, so that a few giants do not decide what the estimate is worth."""


def api_object(number: int, address: str) -> dict[str, object]:
    """A device as the API has it."""
    return {
        "id": str(number),
        "company_id": "1",
        "device_name": f"device_{number}",
        "sending_ips": [address],
        "max_flow_rate": 4000,
        "plan": {"id": 3, "max_fps": PLAN_FPS},
    }


@contextmanager
def daemons(directory: Path) -> Iterator[tuple[int, int]]:
    """kcollect with the devices, kproxy in front of it; flow port and collector's port."""
    devices = directory / "devices.json"
    devices.write_text(json.dumps({"devices": [api_object(number, ip) for number, ip in enumerate(OFFERED, 1)]}))
    port, flow_port = free_port(), free_port_pair()
    collect = ["kcollect", f"-listen=127.0.0.1:{port}", f"-data={directory / 'data'}", f"-devices={devices}"]
    api = f"http://127.0.0.1:{port}/api/internal"
    proxy = ["kproxy", f"-port={flow_port}", f"-api={api}", f"-state_dir={directory / 'state'}", "-max_big=20"]
    with Daemon(collect, log=directory / "kcollect.log") as collector:
        collector.wait_until_ready(port)
        with Daemon(proxy, log=directory / "kproxy.log", environment=CREDENTIALS) as running:
            running.wait_until_ready(flow_port + 1)
            yield flow_port, port


def send(port: int) -> tuple[int, int]:
    """Send what is offered for some seconds; flows and bytes sent."""
    flows, octets = 0, 0
    sockets = {}
    for address in OFFERED:
        sockets[address] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sockets[address].bind((address, 0))
    exporter, random = NetFlow9Exporter(time.time()), np.random.default_rng(1)
    began = time.monotonic()
    for second in range(SECONDS):
        for address, datagrams in OFFERED.items():
            for _datagram in range(datagrams):
                part = make_flows(25, random)
                part["bytes"] = np.minimum(part["bytes"], MOST_BYTES)
                sockets[address].sendto(exporter.datagram(part, time.time()), ("127.0.0.1", port))
                flows, octets = flows + 25, octets + int(part["bytes"].sum())
        time.sleep(max(0.0, began + second + 1 - time.monotonic()))
    for sock in sockets.values():
        sock.close()
    return flows, octets


def test_a_plan_is_shared_and_the_estimates_hold(tmp_path: Path) -> None:
    """Small device whole, large one thinned to the rest; 300 flows a second go out, and all flows are accounted for."""
    with daemons(tmp_path) as (flow_port, collector_port):
        flows, octets = send(flow_port)
        ledger = peers.settled_ledger(flow_port + 1, flows)
        small, large = sorted(
            get_json(flow_port + 1, "/admin/devices")["Devices"], key=lambda device: device["Ledger"]["RecordsReceived"]
        )
        totals = get_json(collector_port, "/totals")["Devices"]
    assert ledger["RecordsForwarded"] <= PLAN_FPS * (SECONDS + 3)
    assert ledger["RecordsForwarded"] >= PLAN_FPS * (SECONDS - 3)
    assert small["Ledger"]["RecordsForwarded"] >= 0.7 * SECONDS * 50
    assert large["Cap"]["SeenPerKept"] == pytest.approx(2000 / 250, rel=0.5)
    assert 0 < large["Cap"]["ExpectedError"]["Bytes"] < 0.5
    estimate = sum(device["EstimatedBytes"] for device in totals)
    assert abs(estimate - octets) < 4 * large["Cap"]["ExpectedError"]["Bytes"] * octets
    assert sum(device["Flows"] for device in totals) == ledger["RecordsForwarded"]
