"""A restart in the middle of a stream whose templates come rarely, and exporters that want too much of our memory."""

from __future__ import annotations

import json
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get, get_json
from tests.decode import netflow_bytes as nf
from tests.interop import peers

CREDENTIALS = {"KENTIK_API_EMAIL": "tests@example.com", "KENTIK_API_TOKEN": "canary-token-4711"}
RECORDS = 20
OCTETS = 1000
FIELDS = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (48, 1), (1, 4), (2, 4))
RECORD = bytes([10, 0, 0, 1, 10, 0, 0, 2]) + struct.pack("!HHBBII", 1024, 443, 6, 3, OCTETS, 2)
RATE = 500


class RareTemplates:
    """An exporter that sends its templates once: a v9 stream with a sampler table."""

    def __init__(self, port: int, source: str = "127.0.0.31") -> None:
        self._target = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((source, 0))
        self._sequence = 0

    def send(self, *sets: bytes, count: int) -> None:
        """Send one export packet."""
        self._socket.sendto(
            nf.v9(*sets, count=count, uptime=1000, seconds=int(time.time()), sequence=self._sequence), self._target
        )
        self._sequence += 1

    def teach(self) -> None:
        """The template of the flows, the options template, and the one sampler."""
        options = nf.v9_options(300, [(1, 4)], [(48, 1), (49, 1), (50, 4)])
        sampler = bytes([10, 0, 0, 1, 3, 2]) + nf.number(RATE, 4)
        self.send(nf.a_set(0, nf.template(256, *FIELDS)), nf.a_set(1, options), nf.a_set(300, sampler), count=3)

    def flows(self, datagrams: int) -> int:
        """Send that many packets of records, at a pace that no buffer minds. :return: how many records."""
        for _datagram in range(datagrams):
            self.send(nf.a_set(256, RECORD * RECORDS), count=RECORDS)
            time.sleep(0.001)
        return datagrams * RECORDS


@contextmanager
def collector(directory: Path, *addresses: str) -> Iterator[int]:
    """kcollect that knows devices with these addresses, or registers every address; its port."""
    port = free_port()
    command = ["kcollect", f"-listen=127.0.0.1:{port}", f"-data={directory / 'data'}"]
    if addresses:
        devices = directory / "devices.json"
        devices.write_text(json.dumps({"devices": [api_object(number, ip) for number, ip in enumerate(addresses, 1)]}))
        command.append(f"-devices={devices}")
    else:
        command.append("-auto_register")
    with Daemon(command, log=directory / "kcollect.log") as daemon:
        daemon.wait_until_ready(port)
        yield port


def api_object(number: int, address: str) -> dict[str, object]:
    """A device as the API has it."""
    return {
        "id": str(number),
        "company_id": "1",
        "device_name": f"device_{number}",
        "device_type": "router",
        "sending_ips": [address],
        "max_flow_rate": 100000,
        "plan": {},
    }


def kproxy(directory: Path, flow_port: int, api_port: int, name: str = "kproxy") -> Daemon:
    """A kproxy in front of the collector, not started yet."""
    flags = [
        "-host=127.0.0.1",
        f"-port={flow_port}",
        "-max=100000",
        f"-api=http://127.0.0.1:{api_port}/api/internal",
        f"-state_dir={directory / 'state'}",
    ]
    return Daemon(["kproxy", *flags], log=directory / f"{name}.log", environment=CREDENTIALS)


def device(health_port: int) -> Any:
    """The JSON of the only device."""
    (listed,) = get_json(health_port, "/admin/devices")["Devices"]
    return get_json(health_port, f"/admin/devices/{listed['DeviceID']}")


def settled(health_port: int, records: int) -> Any:
    """kproxy's totals once ``records`` have come in and none is in flight."""
    return peers.settled_ledger(health_port, records)


def estimated_bytes(collector_port: int) -> float:
    """Σ value × sample rate in kcollect."""
    return sum(float(row["EstimatedBytes"]) for row in get_json(collector_port, "/totals")["Devices"])


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_restart_in_mid_stream_loses_nothing(how: signal.Signals, tmp_path: Path) -> None:
    """Templates and sampler came once, long before; every record after the restart is decoded with its rate."""
    flow_port = free_port_pair()
    state = tmp_path / "state" / "exporters.jsonl"
    exporter = RareTemplates(flow_port)
    with collector(tmp_path) as port:
        with kproxy(tmp_path, flow_port, port) as proxy:
            proxy.wait_until_ready(flow_port + 1)
            exporter.teach()
            sent = exporter.flows(50)
            first = settled(flow_port + 1, sent)
            assert first["RecordsForwarded"] == sent
            if how == signal.SIGKILL:
                peers.wait_until(state.exists)
                proxy.process.kill()
                proxy.process.wait()
        with kproxy(tmp_path, flow_port, port, "second") as proxy:
            proxy.wait_until_ready(flow_port + 1)
            again = exporter.flows(200)
            second = settled(flow_port + 1, again)
            shown = device(flow_port + 1)
        stored = peers.stored_totals(port)
        estimated = estimated_bytes(port)
    assert (second["RecordsReceived"], second["RecordsForwarded"]) == (again, again)
    assert not any(second["RecordsDropped"].values())
    assert stored.flows == sent + again
    assert stored.bytes == (sent + again) * OCTETS
    assert estimated == (sent + again) * OCTETS * RATE
    assert shown["SampleRate"] == {"Effective": RATE, "Origin": "sampler"}
    assert all(template["Restored"] for template in shown["Templates"])
    (session,) = shown["Sessions"]
    assert 0 <= session["RestoredAgeSeconds"] < 60
    assert [event["Kind"] for event in shown["Events"]] == ["state_restored"]
    assert "canary" not in state.read_text()


def test_data_before_its_template_is_kept(tmp_path: Path) -> None:
    """It counts as in flight, is told in the log in the words that people know, and is decoded in the end."""
    flow_port = free_port_pair()
    exporter = RareTemplates(flow_port)
    with collector(tmp_path) as port:
        with kproxy(tmp_path, flow_port, port) as proxy:
            proxy.wait_until_ready(flow_port + 1)
            sent = exporter.flows(30)
            peers.wait_until(lambda: get_json(flow_port + 1, "/admin/status")["Totals"]["RecordsInFlight"] == sent)
            exporter.teach()
            ledger = settled(flow_port + 1, sent)
        stored = peers.stored_totals(port)
        lines = [line for line in (tmp_path / "kproxy.log").read_text().splitlines() if "no template for 256" in line]
    assert (ledger["RecordsForwarded"], ledger["RecordsDropped"]["no_template"]) == (sent, 0)
    assert (stored.flows, stored.bytes) == (sent, sent * OCTETS)
    assert len(lines) == 1


def test_a_damaged_state_file_does_not_stop_the_start(tmp_path: Path) -> None:
    """It is set aside by another name, and templates are learned anew."""
    flow_port = free_port_pair()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "exporters.jsonl").write_bytes(b'{"format":1}\n\xff\x00garbage')
    exporter = RareTemplates(flow_port)
    with collector(tmp_path) as port, kproxy(tmp_path, flow_port, port) as proxy:
        proxy.wait_until_ready(flow_port + 1)
        exporter.teach()
        sent = exporter.flows(5)
        assert settled(flow_port + 1, sent)["RecordsForwarded"] == sent
    assert len(list((tmp_path / "state").glob("exporters.jsonl.bad-*"))) == 1
    assert "is damaged" in (tmp_path / "kproxy.log").read_text()


GROWTH = 32 << 20


def resident(daemon: Daemon) -> int:
    """Bytes of memory that the process has now."""
    for line in Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel does not tell VmRSS")


def flood_of_templates(port: int) -> None:
    """65,280 templates in 20 domains, each datagram full of them."""
    sequence = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.32", 0))
        for number in range(65_280):
            if number % 40 == 0:
                templates = [
                    nf.template(256 + (number + offset) % 65_280, *FIELDS, (1000 + offset, 4)) for offset in range(40)
                ]
                domain = (number // 40) % 20
                data = nf.v9(
                    nf.a_set(0, *templates), count=40, seconds=int(time.time()), sequence=sequence, source=domain
                )
                sock.sendto(data, ("127.0.0.1", port))
                sequence += 1
                time.sleep(0.001)


def flood_of_sources(port: int) -> None:
    """A datagram from each of 100,000 addresses that nobody has registered."""
    data = nf.v9(nf.a_set(0, nf.template(256, *FIELDS)), seconds=int(time.time()))
    for number in range(100_000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((f"127.{100 + (number >> 16)}.{number >> 8 & 255}.{number & 255}", 0))
            sock.sendto(data, ("127.0.0.1", port))
        if number % 200 == 0:
            time.sleep(0.004)


def test_floods_of_templates_and_of_sources_take_little_memory(tmp_path: Path) -> None:
    """65,280 templates in 20 domains of one exporter and 100,000 forged sources cost under 32 MiB, others nothing."""
    flow_port = free_port_pair()
    good = RareTemplates(flow_port)
    with collector(tmp_path, "127.0.0.31", "127.0.0.32") as port, kproxy(tmp_path, flow_port, port) as proxy:
        proxy.wait_until_ready(flow_port + 1)
        good.teach()
        sent = good.flows(100)
        settled(flow_port + 1, sent)
        before = resident(proxy)
        flood_of_templates(flow_port)
        during = good.flows(50)
        flood_of_sources(flow_port)
        after_flood = good.flows(50)
        peers.wait_until(lambda: get(flow_port + 1, "/readyz")[0] == 200)
        settled(flow_port + 1, sent + during + after_flood)
        grown = resident(proxy) - before
        listed = {row["Sources"][0]: row for row in get_json(flow_port + 1, "/admin/devices")["Devices"]}
        unharmed = listed["127.0.0.31"]["Ledger"]
        flooder = get_json(flow_port + 1, f"/admin/devices/{listed['127.0.0.32']['DeviceID']}")
        strangers = get_json(flow_port + 1, "/admin/status")["Totals"]["DatagramsDropped"]["unregistered"]
    assert strangers > 90_000  # the rest is held, or lost in the socket
    assert grown < GROWTH
    assert unharmed["RecordsForwarded"] == sent + during + after_flood
    assert not any(unharmed["RecordsDropped"].values())
    assert len(flooder["Templates"]) <= 512
    assert len({template["Domain"] for template in flooder["Templates"]}) <= 8
    assert flooder["Sessions"][0]["TemplatesEvicted"] > 60_000
