"""Traffic over time and its largest parts, from a real store; expected figures are worked out here, flow by flow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kproxy_tw.collector.message import Sender, accept
from kproxy_tw.collector.store import FlowStore
from kproxy_tw.collector.traffic.query import LAYERS, Traffic, traffic
from kproxy_tw.collector.traffic.question import read_question
from kproxy_tw.errors import MalformedInput, TooSlow
from kproxy_tw.flowbatch import Column, FlowBatch

NOW = 1_790_000_000 // 3600 * 3600
COUNT = 4_000


class Numbers:
    """Names that say which number they are of."""

    def device(self, device_id: int) -> str:
        """A device."""
        return f"device-{device_id}"

    def interface(self, device_id: int, index: int) -> str:
        """Only one interface has a name."""
        return "uplink" if (device_id, index) == (7, 1) else ""


def make_columns(random: np.random.Generator) -> dict[str, Column]:
    """Flows of the last hour with a few hosts, ports and protocols."""
    ports = np.array([443, 53, 22, 179, 0], np.uint32)
    return {
        "timestamp_nano": ((NOW - random.integers(1, 3600, COUNT)) * 10**9).astype(np.int64),
        "in_bytes": random.integers(64, 10**6, COUNT).astype(np.uint64),
        "in_pkts": random.integers(1, 900, COUNT).astype(np.uint64),
        "out_bytes": random.integers(0, 5000, COUNT).astype(np.uint64),
        "out_pkts": random.integers(0, 9, COUNT).astype(np.uint64),
        "sample_rate": random.choice([1.0, 100.0, 1024.0], COUNT),
        "protocol": random.choice([6, 17, 1], COUNT).astype(np.uint32),
        "l4_src_port": random.choice(ports, COUNT),
        "l4_dst_port": random.integers(1024, 65535, COUNT).astype(np.uint32),
        "ipv4_src_addr": (0x0A000000 + random.integers(0, 40, COUNT)).astype(np.uint32),
        "ipv4_dst_addr": (0xC0000200 + random.integers(0, 3, COUNT)).astype(np.uint32),
        "src_as": random.choice([64500, 64501, 0], COUNT).astype(np.uint32),
        "dst_as": random.choice([64502, 64500], COUNT).astype(np.uint32),
        "input_port": random.integers(1, 4, COUNT).astype(np.uint32),
        "output_port": random.integers(1, 12, COUNT).astype(np.uint32),
    }


def put(store: FlowStore, device_id: int, columns: Mapping[str, Column], received: float = NOW) -> None:
    """Store one message."""
    batch = FlowBatch(len(next(iter(columns.values()))), dict(columns))
    store.write(
        [
            accept(
                Sender(1, "x", device_id),
                device_name=f"d{device_id}",
                received=received,
                batch=batch,
                device_ids=np.zeros(batch.length, np.uint32),
                custom={},
            )
        ]
    )


@pytest.fixture(scope="module")
def flows() -> list[dict[str, Any]]:
    """The flows one by one, with the device that they are stored for."""
    columns = make_columns(np.random.default_rng(7))
    rows = [
        dict(zip(columns, values, strict=True)) for values in zip(*(c.tolist() for c in columns.values()), strict=True)
    ]
    return [{**row, "device_id": 7 if place < COUNT // 3 else 8} for place, row in enumerate(rows)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowStore]:
    """A store with the flows, and with copies and metrics that are no traffic."""
    store = FlowStore(tmp_path_factory.mktemp("store"))
    store.open()
    columns = make_columns(np.random.default_rng(7))
    for device_id, part in ((7, slice(None, COUNT // 3)), (8, slice(COUNT // 3, None))):
        put(store, device_id, {name: column[part] for name, column in columns.items()})
    octets, time = np.array([10**9], np.uint64), np.array([(NOW - 60) * 10**9], np.int64)
    for mark in ("big", "is_metric"):
        put(store, 7, {"in_bytes": octets, "timestamp_nano": time, mark: np.array([True])})
    yield store
    store.close()


def ask(store: FlowStore, **parameters: str) -> Traffic:
    """Ask the store as an address does."""
    return traffic(store, read_question(parameters.get, NOW), Numbers())


def bytes_of(flow: Mapping[str, Any]) -> float:
    """The estimate of one flow."""
    return float((flow["in_bytes"] + flow["out_bytes"]) * flow["sample_rate"])


def service(flow: Mapping[str, Any]) -> str:
    """A flow's service in words."""
    if flow["protocol"] == 1:
        return "ICMP"
    port = min(p for p in (flow["l4_src_port"], flow["l4_dst_port"]) if p)
    name = {443: " (https)", 53: " (domain)", 22: " (ssh)", 179: " (bgp)"}.get(port, "")
    return f"{'TCP' if flow['protocol'] == 6 else 'UDP'} {port}{name}"


def dotted(number: int) -> str:
    """An IPv4 address."""
    return ".".join(str(byte) for byte in number.to_bytes(4, "big"))


KEYS = {
    "device": lambda flow: f"device-{flow['device_id']}",
    "protocol": lambda flow: {6: "TCP", 17: "UDP", 1: "ICMP"}[flow["protocol"]],
    "port": service,
    "src_as": lambda flow: f"AS{flow['src_as']}" if flow["src_as"] else "unknown AS",
    "dst_as": lambda flow: f"AS{flow['dst_as']}",
    "input": lambda flow: (
        f"device-{flow['device_id']} "
        + ("uplink" if (flow["device_id"], flow["input_port"]) == (7, 1) else f"interface {flow['input_port']}")
    ),
    "source": lambda flow: dotted(flow["ipv4_src_addr"]),
    "conversation": lambda flow: f"{dotted(flow['ipv4_src_addr'])} → {dotted(flow['ipv4_dst_addr'])}",
}


@pytest.mark.parametrize("by", KEYS)
def test_every_dimension_adds_up(store: FlowStore, flows: list[dict[str, Any]], by: str) -> None:
    """The rows have each key's estimate, the largest first; with all others they are the whole."""
    expected: Counter[str] = Counter()
    for flow in flows:
        expected[KEYS[by](flow)] += bytes_of(flow)  # type: ignore[assignment]
    found = ask(store, by=by, rows="10")
    named = {row.label: row.amounts.bytes for row in found.rows if row.key is not None}
    assert list(named.values()) == pytest.approx([size for _key, size in expected.most_common(10)])
    assert all(size == pytest.approx(expected[label]) for label, size in named.items())
    assert sum(row.amounts.bytes for row in found.rows) == pytest.approx(sum(map(bytes_of, flows)))
    assert sum(row.amounts.flows for row in found.rows) == COUNT
    assert sum(map(found.share, found.rows)) == pytest.approx(1)
    assert (found.rows[-1].label == "all others") == (len(expected) > 10)


def test_layers_add_up_to_all_traffic_at_each_step(store: FlowStore, flows: list[dict[str, Any]]) -> None:
    """Bits per second of a step are its bytes times 8, divided by its seconds; the top layers are the top rows."""
    found = ask(store, by="output")
    step = found.question.time.step
    expected = [0.0] * found.question.time.points
    for flow in flows:
        expected[(flow["timestamp_nano"] // 10**9 - found.question.time.start) // step] += bytes_of(flow) * 8 / step
    assert [sum(values) for values in zip(*(layer.values for layer in found.layers), strict=True)] == pytest.approx(
        expected
    )
    assert [layer.label for layer in found.layers] == [row.label for row in found.rows[:LAYERS]] + ["all others"]
    first = sum(found.layers[0].values) * step / 8
    assert first == pytest.approx(found.rows[0].amounts.bytes)


def test_packets_and_flow_records(store: FlowStore, flows: list[dict[str, Any]]) -> None:
    """Packets are estimated as bytes are; flow records are counted."""
    packets = ask(store, by="protocol", show="packets")
    assert packets.whole.packets == pytest.approx(
        sum((flow["in_pkts"] + flow["out_pkts"]) * flow["sample_rate"] for flow in flows)
    )
    counted = ask(store, by="protocol", show="flows")
    assert [row.amounts.flows for row in counted.rows] == [
        count for _p, count in Counter(flow["protocol"] for flow in flows).most_common()
    ]


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("device", "8", lambda flow: flow["device_id"] == 8),
        ("protocol", "17", lambda flow: flow["protocol"] == 17),
        ("port", "443", lambda flow: " 443 (" in service(flow)),
        ("as", "64500", lambda flow: 64500 in (flow["src_as"], flow["dst_as"])),
        ("interface", "2", lambda flow: 2 in (flow["input_port"], flow["output_port"])),
        ("address", "192.0.2.1", lambda flow: flow["ipv4_dst_addr"] == 0xC0000201),
    ],
)
def test_filters(store: FlowStore, flows: list[dict[str, Any]], name: str, value: str, passes: Any) -> None:
    """Each leaves just the flows that it names, on either side."""
    found = ask(store, **{name: value})
    assert found.whole.flows == sum(map(passes, flows)) > 0
    assert found.whole.bytes == pytest.approx(sum(bytes_of(flow) for flow in flows if passes(flow)))


def test_a_row_leads_to_its_own_traffic(store: FlowStore) -> None:
    """What a row's link asks for is what the row says, wherever a key is one filter."""
    for by in ("device", "protocol", "port"):
        found = ask(store, by=by)
        row = found.rows[0]
        assert row.key is not None
        narrowed = ask(store, **found.question.dimension.narrow(row.key))
        assert narrowed.whole.flows == row.amounts.flows


def test_ipv6_and_flows_without_a_time(tmp_path: Path) -> None:
    """IPv6 hosts are told by both halves; a flow without a time counts when it was received."""
    store = FlowStore(tmp_path)
    store.open()
    hosts = np.frombuffer(bytes.fromhex("20010db8" + "00" * 11 + "01" + "20010db8" + "00" * 11 + "02"), np.uint8)
    columns: dict[str, Column] = {
        "in_bytes": np.array([10, 20], np.uint64),
        "timestamp_nano": np.zeros(2, np.int64),
        "ipv6_src_addr": hosts.reshape(2, 16),
    }
    put(store, 3, columns, received=NOW - 30)
    found = ask(store, by="source")
    assert [(row.label, row.amounts.bytes) for row in found.rows] == [("2001:db8::2", 20), ("2001:db8::1", 10)]
    assert ask(store, address="2001:db8::1").whole.bytes == 10
    assert ask(store, range="15m").whole.flows == 2
    store.close()


def test_nothing_there(tmp_path: Path) -> None:
    """An empty store has no rows, no layers, and no trouble."""
    store = FlowStore(tmp_path)
    store.open()
    found = ask(store)
    assert (found.rows, found.layers, found.whole.flows) == ((), (), 0)
    store.close()


def test_a_query_that_takes_too_long_is_ended(store: FlowStore) -> None:
    """And the store goes on."""
    endless = "SELECT count(*) FROM range(100000000000) a(i) WHERE i % 7 = ?"
    with pytest.raises(TooSlow, match=r"longer than 0\.2 s"):
        store.read(endless, [3], seconds=0.2)
    assert store.read("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    "parameters",
    [
        {"by": "flows; DROP TABLE flows"},
        {"show": "in_bytes"},
        {"range": "2h"},
        {"range": ""} | {"from": "x"},
        {"from": "20", "to": "10"},
        {"from": "0", "to": "9999999999"},
        {"to": "-1"},
        {"from": "2026-13-01T00:00"},
        {"device": "1 OR 1=1"},
        {"protocol": "256"},
        {"port": "65536"},
        {"address": "300.1.1.1"},
        {"address": "fe80::1%eth0' --"},
        {"rows": "0"},
        {"rows": "1001"},
    ],
)
def test_hostile_questions(parameters: dict[str, str]) -> None:
    """Each is refused in words."""
    with pytest.raises(MalformedInput):
        read_question(parameters.get, NOW)
