"""The store: what is committed is there after any end, exactly once, and reads back as it was written."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from kproxy_tw.collector.message import Message, Sender, accept
from kproxy_tw.collector.query import recent_flows
from kproxy_tw.collector.store import FILE_NAME, FlowStore
from kproxy_tw.errors import StoreError
from kproxy_tw.flowbatch import Column, FlowBatch

CHILD = Path(__file__).with_name("store_child.py")
CHILD_FLOWS = 500


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FlowStore]:
    """An open, empty store."""
    store = FlowStore(tmp_path)
    store.open()
    yield store
    store.close()


def message(
    device_id: int = 7, received: float = 1.5, custom: Mapping[int, Column] | None = None, **columns: Any
) -> Message:
    """A message of the given columns."""
    batch = FlowBatch(len(next(iter(columns.values()))), {name: np.asarray(value) for name, value in columns.items()})
    return accept(
        Sender(1, "x", device_id),
        device_name=f"d{device_id}",
        received=received,
        batch=batch,
        device_ids=np.zeros(batch.length, np.uint32),
        custom=custom or {},
    )


def octets(*values: int) -> Column:
    """A column of numbers of 64 bits."""
    return np.array(values, np.uint64)


def ipv6(text: str) -> Column:
    """A column of one address."""
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(1, 16)


def test_totals_add_up_over_messages_and_restarts(store: FlowStore) -> None:
    """Sums per device, the number of messages, and the last time; the same after reopening."""
    store.write([message(7, 10.25, in_bytes=octets(1, 2)), message(8, 11, in_bytes=octets(2**64 - 1))])
    store.write([message(7, 12.5, in_bytes=octets(4), sample_rate=np.array([2.5]))])
    for _ in range(2):
        seven, eight = store.totals()
        assert (seven.device_id, seven.device_name, seven.messages, seven.last_received) == (7, "d7", 2, 12.5)
        assert (seven.sums.flows, seven.sums.in_bytes, seven.sums.estimated_bytes) == (3, 7, 300 + 1000)
        assert (eight.sums.in_bytes, eight.sums.estimated_bytes) == (2**64 - 1, 100 * (2**64 - 1))
        store.close()
        store.open()


def test_totals_equal_the_sum_over_the_flows(store: FlowStore) -> None:
    """What SQL adds up over the flows is what the totals say."""
    random = np.random.default_rng(1)
    for received in range(3):
        values = random.integers(0, 2**40, 5000).astype(np.uint64)
        rates = random.choice([1.0, 10.0, 33.33], 5000)
        store.write([message(device, received, in_bytes=values, sample_rate=rates) for device in (1, 2)])
    found = store.read(
        "SELECT device_id, count(*), sum(in_bytes), sum(in_bytes::HUGEINT * round(sample_rate * 100)::HUGEINT) "
        "FROM flows GROUP BY device_id ORDER BY device_id"
    )
    said = [(t.device_id, t.sums.flows, t.sums.in_bytes, t.sums.estimated_bytes) for t in store.totals()]
    assert found == said


def test_every_kind_of_column_reads_back(store: FlowStore) -> None:
    """Numbers, addresses, MACs, texts and custom columns come out as the JSON of /flows."""
    custom = {
        3: octets(9),
        4: np.array([1.5], np.float32),
        5: np.array(["grün".encode()]),
        6: np.array([[4, 10, 0, 0, 9, *[0] * 12]], np.uint8),
        7: octets(0),
    }
    store.write(
        [
            message(
                custom=custom,
                timestamp_nano=np.array([1_767_225_600_500_000_000]),
                ipv6_src_addr=ipv6("20010db8000000000000000000000001"),
                ipv6_src_next_hop=ipv6("fe800000000000000000000000000002"),
                src_eth_mac=octets(0x0A0B0C0D0E0F),
                ipv4_src_next_hop=np.array([0xC0000201], np.uint32),
                dst_bgp_as_path=np.array([b"64500 64501"]),
                app_protocol=np.array([0xFFFFFFFF], np.uint32),
                src_third_asn=np.array([64502], np.uint32),
            )
        ]
    )
    (flow,) = recent_flows(store)
    expected = {
        "deviceId": 7,
        "timestamp": 1_767_225_600,
        "timestampNano": 1_767_225_600_500_000_000,
        "sampleRate": 1,
        "ipv6SrcAddr": "2001:db8::1",
        "ipv6DstAddr": "::",
        "ipv6SrcNextHop": "fe80::2",
        "srcEthMac": "0a:0b:0c:0d:0e:0f",
        "ipv4SrcNextHop": "192.0.2.1",
        "dstBgpAsPath": "64500 64501",
        "srcThirdAsn": 64502,
        "custom": [
            {"id": 3, "value": 9},
            {"id": 4, "value": 1.5},
            {"id": 5, "value": "grün"},
            {"id": 6, "value": "10.0.0.9"},
        ],
    }
    assert {name: flow[name] for name in expected} == expected
    assert not {"ipv4SrcAddr", "appProtocol", "tos", "srcFlowTags"} & set(flow)


def test_details_belong_to_their_own_flows(store: FlowStore) -> None:
    """In a group of messages each detail and custom value stays with its flow."""
    with_tag = message(in_bytes=octets(1, 2), flow_tags=np.array([b"", b"two"]), custom={1: octets(11, 0)})
    store.write([message(in_bytes=octets(0)), with_tag, message(in_bytes=octets(3), custom={1: octets(33)})])
    found = [
        (flow["inBytes"], flow.get("flowTags"), [one["value"] for one in flow.get("custom", [])])  # type: ignore[attr-defined]
        for flow in recent_flows(store)
    ]
    assert found == [(3, None, [33]), (2, "two", []), (1, None, [11]), (0, None, [])]


def test_newest_first_by_device_and_limit(store: FlowStore) -> None:
    """The last stored flows come first, of all devices or of one."""
    store.write([message(1, in_bytes=octets(1, 2)), message(2, in_bytes=octets(3))])
    store.write([message(1, in_bytes=octets(4))])
    assert [flow["inBytes"] for flow in recent_flows(store)] == [4, 3, 2, 1]
    assert [flow["inBytes"] for flow in recent_flows(store, device_id=1, limit=2)] == [4, 2]
    assert recent_flows(store, device_id=3) == []


def test_newest_without_metric_records(store: FlowStore) -> None:
    """As the page wants them, where a poll of a router has just brought hundreds of records."""
    store.write([message(1, in_bytes=octets(1, 2))])
    store.write([message(1, in_bytes=octets(*range(100, 150)), is_metric=np.ones(50, bool))])
    assert [flow["inBytes"] for flow in recent_flows(store, limit=2, metrics=False)] == [2, 1]
    assert [flow["inBytes"] for flow in recent_flows(store, limit=2, device_id=1, metrics=False)] == [2, 1]
    assert [flow["inBytes"] for flow in recent_flows(store, limit=2)] == [149, 148]


def test_hostile_texts_are_stored_as_they_are(store: FlowStore) -> None:
    """Quotes, NUL and broken UTF-8 are data."""
    texts = [b"'; DROP TABLE flows; --", b"a\0b", b"\xff\xfe"]
    store.write([message(flow_tags=np.array(texts))])
    found = [flow["flowTags"] for flow in recent_flows(store)]
    assert found == ["\ufffd\ufffd", "a\0b", "'; DROP TABLE flows; --"]


def test_message_without_flows_counts_as_message(store: FlowStore) -> None:
    """An empty message is a sign of life."""
    store.write([message(in_bytes=octets())])
    (total,) = store.totals()
    assert (total.messages, total.sums.flows) == (1, 0)


def test_created_devices_survive(store: FlowStore) -> None:
    """They come back in the order of their ids."""
    store.keep_device(1002, '{"b": 1}')
    store.keep_device(1001, '{"a": 1}')
    store.close()
    store.open()
    assert store.created_devices() == ['{"a": 1}', '{"b": 1}']


def test_commit_survives_kill(tmp_path: Path) -> None:
    """A process killed right after it acknowledged has lost nothing that it acknowledged, and stored nothing twice."""
    with subprocess.Popen([sys.executable, str(CHILD), str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(20)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().split()]
    store = FlowStore(tmp_path)
    store.open()
    stored = store.read("SELECT in_bytes, count(*) FROM flows GROUP BY in_bytes ORDER BY in_bytes")
    store.close()
    assert [number for number, _ in stored][: len(acknowledged)] == acknowledged
    assert len(stored) - len(acknowledged) in (0, 1)  # one may be committed and not acknowledged yet
    assert {count for _, count in stored} == {CHILD_FLOWS}


def test_commit_is_synchronized_to_the_disk(tmp_path: Path) -> None:
    """Between two acknowledgements there is a synchronization of the write-ahead log."""
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,write", "-o", str(trace)]
    try:
        child = subprocess.Popen([*command, sys.executable, str(CHILD), str(tmp_path)], stdout=subprocess.PIPE)
    except FileNotFoundError:
        pytest.skip("strace is not installed: durability against a power cut is not checked")
    with child:
        assert child.stdout is not None
        for _ in range(5):
            child.stdout.readline()
        child.kill()
    calls = trace.read_text().splitlines()
    acknowledgements = [index for index, call in enumerate(calls) if 'write(1, "' in call]
    assert len(acknowledgements) >= 5
    for before, after in pairwise(acknowledgements):
        assert any("sync(" in call for call in calls[before:after])


def test_second_instance_is_refused(tmp_path: Path) -> None:
    """Another process on the same directory gets one clear line."""
    with subprocess.Popen([sys.executable, str(CHILD), str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        try:
            with pytest.raises(StoreError, match=r"in use by another process \(PID \d+\)") as caught:
                FlowStore(tmp_path).open()
        finally:
            child.kill()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"x" * 5000, b"PK\3\4"])
def test_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no store is named and left as it is."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(StoreError, match=FILE_NAME):
        FlowStore(tmp_path).open()
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_other_version_is_refused(store: FlowStore) -> None:
    """A store of another version is not touched."""
    store.close()
    with duckdb.connect(str(store.path)) as connection:
        connection.execute("UPDATE store_version SET version = 99")
    with pytest.raises(StoreError, match="another version"):
        store.open()


def test_impossible_directory(tmp_path: Path) -> None:
    """A directory that cannot be made is one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        FlowStore(tmp_path / "file" / "data").open()


def test_closed_store_says_so(tmp_path: Path) -> None:
    """Reading and writing before opening are StoreErrors."""
    store = FlowStore(tmp_path)
    with pytest.raises(StoreError, match="not open"):
        store.read("SELECT 1")
    with pytest.raises(StoreError, match="not open"):
        store.write([message(in_bytes=octets(1))])


def test_full_disk_is_survived(store: FlowStore) -> None:
    """What does not fit is refused whole; with room again, writing goes on and nothing is there twice."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store.write([message(in_bytes=octets(1))])
    noise = np.random.default_rng(1).integers(0, 2**63, 60_000).astype(np.uint64)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, hard))
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot be"):
                store.write([message(in_bytes=noise)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    store.write([message(in_bytes=octets(2))])
    assert [flow["inBytes"] for flow in recent_flows(store)] == [2, 1]
    assert store.totals()[0].sums.in_bytes == 3
