"""Bodies that other programs make: pycapnp writes, decode_body reads."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import ADDRESSES, NUMBERS, TEXTS
from kproxy_tw.kflow.decode import DecodedFlows, decode_body
from tests.kflow import flow_batches

SPECIAL = {"sample_rate", "timestamp_nano"}


def packed(rows: list[dict[str, Any]], module: Any = None, first_segment: int | None = None) -> bytes:
    """A packed message with these fields, set one by one."""
    root = (module or flow_batches.compiled()).PackedCHF.new_message(first_segment)
    flows = root.init("msgs", len(rows))
    for flow, fields in zip(flows, rows, strict=True):
        for name, value in fields.items():
            setattr(flow, name, value)
    return bytes(root.to_bytes_packed())


def decoded(rows: list[dict[str, Any]], **kwargs: Any) -> DecodedFlows:
    """The same, read as a POST with prefix and gzip."""
    return decode_body(gzip.compress(bytes(80) + packed(rows, **kwargs)), gzipped=True)


@pytest.mark.parametrize("name", sorted(set(NUMBERS) - SPECIAL))
def test_a_number_is_read_into_its_column_and_no_other(name: str) -> None:
    """The field alone, with its largest value, in the second of two flows."""
    dtype = NUMBERS[name]
    largest = True if dtype == np.bool_ else int(np.iinfo(dtype.str).max)
    if name == "app_protocol":
        largest = 5
    batch = decoded([{}, {flow_batches.schema_name(name): largest}]).batch
    assert batch.columns.keys() == {name}
    assert batch.columns[name].dtype == dtype
    assert batch.columns[name].tolist() == [0xFFFFFFFF if name == "app_protocol" else 0, largest]


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_is_read_into_its_column_and_no_other(name: str) -> None:
    """Sixteen bytes in the second of two flows."""
    batch = decoded([{}, {flow_batches.schema_name(name): bytes(range(1, 17))}]).batch
    assert batch.columns.keys() == {name}
    assert batch.columns[name].tolist() == [[0] * 16, list(range(1, 17))]


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_read_into_its_column_and_no_other(name: str) -> None:
    """Texts of different lengths, and an empty one."""
    texts = ["", "65000 65001", "é" * 20, "12345678"]
    batch = decoded([{flow_batches.schema_name(name): text} for text in texts]).batch
    assert batch.columns.keys() == {name}
    assert [text.decode() for text in batch.columns[name].tolist()] == texts


def test_custom_values_of_each_type() -> None:
    """Each member of the union becomes a column of its type; flows without it have zero or nothing."""
    root = flow_batches.compiled().PackedCHF.new_message()
    flows = root.init("msgs", 2)
    sent = [
        ("uint32Val", 2**32 - 1),
        ("float32Val", -0.5),
        ("strVal", "two words"),
        ("uint64Val", 2**64 - 1),
        ("addrVal", b"\x04\x0a\x00\x00\x01"),
        ("uint16Val", 2**16 - 1),
        ("uint8Val", 2**8 - 1),
    ]
    for number, (value, (member, content)) in enumerate(zip(flows[1].init("custom", 7), sent, strict=True)):
        value.id = 100 + number
        setattr(value.value, member, content)
    custom = decode_body(root.to_bytes_packed(), gzipped=False).custom
    assert [custom[number].dtype.str for number in range(100, 107)] == [
        "<u4", "<f4", "|S16", "<u8", "|u1", "<u2", "|u1",
    ]  # fmt: skip
    assert [custom[number][1].tolist() for number in (100, 101, 102, 103, 105, 106)] == [
        2**32 - 1, -0.5, b"two words", 2**64 - 1, 2**16 - 1, 2**8 - 1,
    ]  # fmt: skip
    assert custom[104].tolist() == [[0] * 17, [4, 10, 0, 0, 1] + [0] * 12]
    assert not any(column[0].any() for number, column in custom.items() if number != 102)


def test_sample_rates_are_hundredths_only_when_the_flow_says_so() -> None:
    """1,000 with sampleAdj is 10; without it is 1,000; 0 is unknown."""
    rows = [{"sampleRate": 1000, "sampleAdj": True}, {"sampleRate": 1000}, {}]
    batch = decoded(rows).batch
    assert batch.columns["sample_rate"].tolist() == [10.0, 1000.0, 0.0]
    assert batch.columns.keys() == {"sample_rate"}


def test_seconds_stand_in_for_nanoseconds_that_are_missing() -> None:
    """The finer of the two times wins; a time that does not fit is none."""
    rows = [{"timestampNano": 5, "timestamp": 7}, {"timestamp": 7}, {"timestamp": 2**62}, {"timestamp": -1}]
    assert decoded(rows).batch.column("timestamp_nano").tolist() == [5, 7_000_000_000, 0, 0]


def test_device_ids() -> None:
    """Each flow has its own."""
    assert decoded([{"deviceId": 12}, {}]).device_ids.tolist() == [12, 0]


def test_rows_of_an_older_sender_have_28_words(tmp_path: Path) -> None:
    """A sender that does not know appProtocol yet: its rows are shorter, its flows have none."""
    module = flow_batches.changed_schema(tmp_path, "appProtocol @66 :UInt32 = 0xffffffff;", "")
    assert module.CHF.schema.node.struct.dataWordCount == 28
    rows = [{"dstEthMac": 2**48 - 1, "flowTags": "old", "custom": [{"id": 3, "value": {"uint8Val": 4}}]}] * 2
    found = decoded(rows, module=module)
    assert found.batch.columns["dst_eth_mac"].tolist() == [2**48 - 1] * 2
    assert found.batch.columns["flow_tags"].tolist() == [b"old"] * 2
    assert found.batch.columns.keys() == {"dst_eth_mac", "flow_tags"}
    assert found.custom[3].tolist() == [4, 4]


def test_rows_of_a_newer_sender_are_longer(tmp_path: Path) -> None:
    """Fields and kinds that we do not know are stepped over."""
    module = flow_batches.changed_schema(tmp_path, "= 0xffffffff;", "= 0xffffffff; more @67 :UInt64; note @68 :Text;")
    rows = [{"inBytes": 5, "more": 6, "note": "unknown", "ipv6SrcAddr": b"\x01" * 16}] * 3
    found = decoded(rows, module=module)
    assert found.batch.columns["in_bytes"].tolist() == [5] * 3
    assert found.batch.columns["ipv6_src_addr"].tolist() == [[1] * 16] * 3
    assert found.batch.columns.keys() == {"in_bytes", "ipv6_src_addr"}


def test_a_custom_value_of_an_unknown_kind_is_left_out(tmp_path: Path) -> None:
    """A newer sender's union may have members that we cannot read; its other values are read."""
    module = flow_batches.changed_schema(tmp_path, "uint8Val @8 :UInt8;", "uint8Val @8 :UInt8; new @9 :UInt32;")
    values = [{"id": 1, "value": {"new": 9}}, {"id": 2, "value": {"uint32Val": 7}}]
    assert {
        number: column.tolist() for number, column in decoded([{"custom": values}], module=module).custom.items()
    } == {2: [7]}


def test_a_message_of_several_segments() -> None:
    """Far pointers between segments are followed."""
    rows = [{"flowTags": f"tag {number}" * 50, "ipv6SrcAddr": bytes([number + 1] * 16)} for number in range(40)]
    content = packed(rows, first_segment=8)
    assert content[1:2] != b"\x00"  # the segment table begins with the count of segments, less one
    batch = decode_body(content, gzipped=False).batch
    assert batch.columns["flow_tags"].tolist() == [(f"tag {number}" * 50).encode() for number in range(40)]
    assert batch.columns["ipv6_src_addr"][:, 0].tolist() == list(range(1, 41))


@pytest.mark.parametrize(
    "prefix", [b"", bytes(80), b"1013:router_1:77^".ljust(80, b"\x00")], ids=["none", "zeros", "key"]
)
@pytest.mark.parametrize("gzipped", [True, False], ids=["gzip", "plain"])
def test_all_framings_that_senders_use(prefix: bytes, gzipped: bool) -> None:
    """Without prefix, with zeros, with an old sender's key; gzip or not."""
    body = prefix + packed([{"l4DstPort": 443}])
    found = decode_body(gzip.compress(body) if gzipped else body, gzipped=gzipped)
    assert found.batch.columns["l4_dst_port"].tolist() == [443]


def test_a_message_without_flows() -> None:
    """Neither an empty list nor a missing one is an error."""
    empty = flow_batches.compiled().PackedCHF.new_message().to_bytes_packed()
    assert decode_body(empty, gzipped=False).batch.length == 0
    assert decoded([]).batch.length == 0


def test_an_address_of_another_size_is_malformed() -> None:
    """Four bytes are no IPv6 address; the error says which field."""
    with pytest.raises(MalformedInput, match="ipv6SrcNextHop has not 16 bytes"):
        decoded([{"ipv6SrcNextHop": b"1234"}])


def test_a_custom_column_of_two_types_is_malformed() -> None:
    """A column is of one type; the error names the column."""
    rows = [{"custom": [{"id": 3, "value": value}]} for value in ({"uint8Val": 1}, {"strVal": "x"})]
    with pytest.raises(MalformedInput, match="custom column 3 has values of two types"):
        decoded(rows)


def test_decoding_works_in_threads() -> None:
    """Eight decodings at a time all see the same flows."""
    body = gzip.compress(bytes(80) + packed([{"inBytes": number, "flowTags": "x"} for number in range(300)]))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: decode_body(body, gzipped=True), range(24)))
    assert all(one.batch.columns["in_bytes"].tolist() == list(range(300)) for one in found)
