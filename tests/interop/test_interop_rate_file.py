"""``-sample_rate_file``: kproxy and kcollect, every format, what the file says and what it says later."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from kproxy_tw.testing.exporters import IpfixExporter, NetFlow5Exporter, NetFlow9Exporter, SflowExporter
from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair, get_json
from kproxy_tw.testing.traffic import make_flows
from tests.interop import peers

V5, V9, IPFIX, SFLOW, OTHER = (f"127.0.0.{last}" for last in (41, 42, 43, 44, 45))
FLOWS = 8
RATES = [
    {"exporter": V5, "rate": 1000},
    {"exporter": V9, "domain": 7, "rate": 700},
    {"exporter": "127.0.0.42/31", "rate": 2000},
    {"exporter": SFLOW, "rate": 500},
]
EXPECTED = {V5: {1000}, V9: {700, 2000}, IPFIX: {2000}, SFLOW: {500}, OTHER: {3}}
"""By source address; the last one is not in the file, so that ``-sample_rate=3`` holds for it."""

CREDENTIALS = {"KENTIK_API_EMAIL": "tests@example.com", "KENTIK_API_TOKEN": "interop"}


@attrs.frozen
class Chain:
    """kproxy and kcollect, running."""

    proxy: Daemon
    flow_port: int
    collector_port: int

    def send(self, *sources: str) -> None:
        """Flows of these exporters, each of which says another rate than the file."""
        now = time.time()
        flows = make_flows(FLOWS, np.random.default_rng(1))
        exporters: Mapping[str, list[Any]] = {
            V5: [NetFlow5Exporter(now, sampling=10)],
            V9: [NetFlow9Exporter(now, source_id=7), NetFlow9Exporter(now, source_id=8)],
            IPFIX: [IpfixExporter(now, domain=3)],
            SFLOW: [SflowExporter(now, rate=50)],
            OTHER: [NetFlow5Exporter(now, sampling=10)],
        }
        for source in sources:
            peers.send([one.datagram(flows, now) for one in exporters[source]], self.flow_port, source)

    def device(self, source: str) -> Any:
        """What kproxy says of the device of an address."""
        listed = get_json(self.flow_port + 1, "/admin/devices")["Devices"]
        number = next(one["DeviceID"] for one in listed if one["Sources"] == [source])
        return get_json(self.flow_port + 1, f"/admin/devices/{number}")

    def stored(self, source: str) -> set[float]:
        """The rates of the flows that kcollect has of it."""
        number = self.device(source)["DeviceID"]
        found = get_json(self.collector_port, f"/flows?device_id={number}&limit=1000")
        return {flow["sampleRate"] for flow in found if not flow.get("big")}

    def forwarded(self) -> int:
        """Records of all devices."""
        return int(get_json(self.flow_port + 1, "/admin/status")["Totals"]["RecordsForwarded"])

    def reload(self, says: str) -> None:
        """SIGHUP, and wait for a new line of the log."""
        known = self.proxy.log.read_text().count(says)
        self.proxy.process.send_signal(signal.SIGHUP)
        peers.wait_until(lambda: self.proxy.log.read_text().count(says) > known)


@contextmanager
def chain(directory: Path, rates: Path) -> Iterator[Chain]:
    """Both daemons."""
    flow_port, collector_port = free_port_pair(), free_port()
    collect = ["kcollect", f"-listen=127.0.0.1:{collector_port}", f"-data={directory / 'data'}", "-auto_register"]
    proxy = [
        *("kproxy", "-host=127.0.0.1", f"-port={flow_port}", f"-state_dir={directory / 'state'}"),
        *(f"-api=http://127.0.0.1:{collector_port}/api/internal", f"-sample_rate_file={rates}", "-sample_rate=3"),
    ]
    with Daemon(collect, log=directory / "kcollect.log") as collector:
        collector.wait_until_ready(collector_port)
        with Daemon(proxy, log=directory / "kproxy.log", environment=CREDENTIALS) as kproxy:
            kproxy.wait_until_ready(flow_port + 1)
            yield Chain(kproxy, flow_port, collector_port)


def write(path: Path, rates: object) -> None:
    """The file."""
    path.write_text(json.dumps({"rates": rates}, indent=1))


def test_the_file_decides_and_can_be_changed(tmp_path: Path) -> None:
    """Every format has the rate of the file; a change is an event; a bad file changes nothing."""
    rates = tmp_path / "rates.json"
    write(rates, RATES)
    with chain(tmp_path, rates) as running:
        running.send(*EXPECTED)
        everything = FLOWS * (len(EXPECTED) + 1)
        peers.wait_until(lambda: running.forwarded() == everything)
        assert {source: running.stored(source) for source in EXPECTED} == EXPECTED
        told = {source: running.device(source)["SampleRate"] for source in (V5, IPFIX, SFLOW, OTHER)}
        assert told == {
            V5: {"Effective": 1000, "Origin": "file"},
            IPFIX: {"Effective": 2000, "Origin": "file"},
            SFLOW: {"Effective": 500, "Origin": "file"},
            OTHER: {"Effective": 3, "Origin": "flag"},
        }
        in_use = running.device(V9)["SamplingTable"]["InUse"]
        assert sorted((one["Rate"], one["Origin"]) for one in in_use) == [(700, "file"), (2000, "file")]

        write(rates, [{**RATES[0], "rate": 1500}])
        running.reload("the sampling rates were read again")
        running.send(V5, OTHER)
        peers.wait_until(lambda: running.forwarded() == everything + 2 * FLOWS)
        assert running.stored(V5) == {1000, 1500}
        assert running.stored(OTHER) == EXPECTED[OTHER]
        peers.wait_until(lambda: "rate_changed" in _events(running.device(V5)))
        assert _events(running.device(V5))["rate_changed"].endswith("from 1:1000 (file) to 1:1500 (file)")
        assert "rate_changed" not in _events(running.device(OTHER))

        write(rates, [RATES[1], {**RATES[0], "rate": 0}])
        running.reload("the sampling rates stay as they were")
        assert f"line 10, exporter {V5}: rate must be a whole number" in running.proxy.log.read_text()
        running.send(V5)
        peers.wait_until(lambda: running.forwarded() == everything + 3 * FLOWS)
        assert running.stored(V5) == {1000, 1500}
        assert running.proxy.stop() == 0


def _events(device: Any) -> dict[str, str]:
    """Kind to text of what happened to a device."""
    return {event["Kind"]: event["Text"] for event in device["Events"]}


def _kproxy(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    flags = (f"-sample_rate_file={path}", "-api_email=a@example.com", "-api_token=t", f"-state_dir={path.parent}")
    return subprocess.run(
        [peers.ours("kproxy"), *words, *flags], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_bad_file_ends_the_start(tmp_path: Path) -> None:
    """Status 78 and one line that says where, of the daemon and of ``kproxy check``."""
    rates = tmp_path / "rates.json"
    write(rates, [RATES[0], {"exporter": V9, "rat": 7}])
    for words in (("-n",), ("check",)):
        ended = _kproxy(rates, *words)
        assert ended.returncode == 78
        assert f"-sample_rate_file: {rates}: line 9, exporter {V9}: 'rat' is no key of a rate" in ended.stderr
        assert ended.stderr.count("\n") == 1
    missing = _kproxy(tmp_path / "none.json", "check")
    assert (missing.returncode, "No such file" in missing.stderr) == (78, True)
