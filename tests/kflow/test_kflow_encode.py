"""What encode sends, as the capnp tool and pycapnp read it."""

from __future__ import annotations

import ast
import gzip
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from kproxy_tw.flowbatch import ADDRESSES, NUMBERS, TEXTS, Column, FlowBatch
from kproxy_tw.kflow import encode as encoder
from kproxy_tw.kflow.encode import MAX_KEPT_BYTES, Encoder, encode, flatten
from tests.kflow import flow_batches

needs_capnp = pytest.mark.skipif(shutil.which("capnp") is None, reason="needs the capnp tool (Debian: capnproto)")


def read(body: bytes) -> Any:
    """The flows of a body, read by pycapnp's packed reader."""
    content = gzip.decompress(body)
    assert content[:80] == bytes(80)
    root = flow_batches.compiled().PackedCHF.from_bytes_packed(content[80:], traversal_limit_in_words=1 << 40)
    return root.msgs


def distinct_batch(length: int) -> FlowBatch:
    """Every column with a value of its own in each flow."""
    step = np.arange(1, length + 1)
    numbers: dict[str, Column] = {
        name: (step * 3 + 7 * index).astype(dtype) for index, (name, dtype) in enumerate(NUMBERS.items())
    }
    numbers["timestamp_nano"] = step.astype(np.int64) * 1_500_000_000 + 1_700_000_000_000_000_000
    numbers["src_eth_mac"] = np.full(length, 0x001122334455, np.uint64)
    numbers["big"] = step % 2 == 0
    numbers["is_metric"] = step % 3 == 0
    addresses: dict[str, Column] = {
        name: (np.arange(16) + 16 * index + step[:, None]).astype(np.uint8) for index, name in enumerate(ADDRESSES)
    }
    texts: dict[str, Column] = {
        name: np.array([f"{name} {number}".encode() * int(number) for number in step]) for name in TEXTS
    }
    return FlowBatch(length=length, columns=numbers | addresses | texts)


def printed_rows(body: bytes) -> list[str]:
    """What ``capnp decode --packed`` prints, one text a flow."""
    packed = gzip.decompress(body)[80:]
    command = ["capnp", "decode", "--packed", "--short", str(flow_batches.SCHEMA), "PackedCHF"]
    text = subprocess.run(command, input=packed, stdout=subprocess.PIPE, check=True).stdout.decode()
    return text.split("(timestampNano")[1:]


def printed_fields(row: str) -> dict[str, Any]:
    """Field name to number, boolean or bytes, from one printed flow."""
    found = re.findall(r'(\w+) = (-?\d+|true|false|"(?:[^"\\]|\\.)*")', "timestampNano" + row)
    return {name: ast.literal_eval("b" + text if text.startswith('"') else text.capitalize()) for name, text in found}


@needs_capnp
def test_the_capnp_tool_prints_every_field_that_was_put_in() -> None:
    """Numbers, booleans, addresses and texts of five flows, each field compared with the column it came from."""
    batch = distinct_batch(5)
    rows = printed_rows(encode(batch, device_id=4242, column_ids={}))
    assert len(rows) == 5
    for index, row in enumerate(rows):
        printed = printed_fields(row)
        assert printed.pop("deviceId") == 4242
        assert printed.pop("sampleAdj") is True
        assert printed.pop("sampleRate") == round(100 * float(batch.columns["sample_rate"][index]))
        assert printed.pop("timestamp") == 1_700_000_000 + (index + 1) * 3 // 2
        assert printed.pop("dstMac") == printed.pop("srcMac") == 0
        for name, column in batch.columns.items():
            if name != "sample_rate":
                expected = column[index].tobytes() if name in ADDRESSES else column[index].item()
                assert printed.pop(flow_batches.schema_name(name)) == expected, name
        assert printed == {}


@needs_capnp
def test_the_capnp_tool_prints_custom_values() -> None:
    """Each type of custom column is printed as its member of the union; zero and empty values are not there."""
    peer = np.zeros((3, 17), np.uint8)
    peer[0, :5] = (4, 49, 50, 51, 52)
    batch = FlowBatch(
        length=3,
        custom={
            "small": np.array([7, 0, 8], np.uint32),
            "ratio": np.array([0.5, 0, 0], np.float32),
            "label": np.array([b"host-1", b"", b"b"]),
            "large": np.array([1 << 40, 0, 0], np.uint64),
            "middle": np.array([65535, 0, 0], np.uint16),
            "tiny": np.array([255, 0, 0], np.uint8),
            "peer": peer,
            "of another device": np.array([1, 1, 1], np.uint32),
        },
    )
    rows = printed_rows(encode(batch, device_id=1, column_ids=flow_batches.COLUMN_IDS))
    values = [re.findall(r"\(id = (\d+), value = \((\w+) = (.*?)\), isDimension = false\)", row) for row in rows]
    assert sorted(values[0]) == [
        ("11", "uint32Val", "7"),
        ("12", "float32Val", "0.5"),
        ("13", "strVal", '"host-1"'),
        ("14", "uint64Val", str(1 << 40)),
        ("15", "addrVal", '"\\0041234' + "\\000" * 12 + '"'),
        ("16", "uint16Val", "65535"),
        ("17", "uint8Val", "255"),
    ]
    assert values[1:] == [[], [("11", "uint32Val", "8"), ("13", "strVal", '"b"')]]


def test_values_follow_the_conventions_of_the_format() -> None:
    """IPv4 is the number with the first octet highest, a MAC fills 48 bits, an absent protocol reads as all ones."""
    batch = FlowBatch(
        length=1,
        columns={
            "ipv4_src_addr": np.array([0x0A000001], np.uint32),
            "src_eth_mac": np.array([0x001122334455], np.uint64),
            "sample_rate": np.array([12.5]),
        },
    )
    row = read(encode(batch, device_id=9, column_ids={}))[0]
    assert (row.ipv4SrcAddr, row.srcEthMac, row.sampleRate, row.sampleAdj) == (167772161, 73588229205, 1250, True)
    assert (row.deviceId, row.appProtocol, row.big) == (9, 0xFFFFFFFF, False)


def test_objects_that_are_empty_are_not_there() -> None:
    """No pointer for an address of zeros, for an empty text, for a row without custom values."""
    batch = FlowBatch(
        length=2,
        columns={"ipv6_src_addr": np.zeros((2, 16), np.uint8), "flow_tags": np.array([b"", b"x"])},
        custom={"small": np.array([0, 3], np.uint32)},
    )
    words = flatten(batch, device_id=1, column_ids=flow_batches.COLUMN_IDS)
    assert not words[3 + 29 : 3 + 43].any()
    assert np.flatnonzero(words[3 + 43 + 29 : 3 + 86]).tolist() == [2, 9]


@pytest.mark.parametrize(
    ("text", "kept"),
    [("x" * 400, 384), ("x" * 384, 384), ("x" + "é" * 200, 383), ("xx" + "€" * 200, 383), ("😀" * 100, 384)],
)
def test_custom_texts_are_cut_at_384_bytes_between_characters(text: str, kept: int) -> None:
    """The cut never leaves half of a character."""
    batch = FlowBatch(length=1, custom={"label": np.array([text.encode()])})
    row = read(encode(batch, device_id=1, column_ids=flow_batches.COLUMN_IDS))[0]
    assert row.custom[0].value.strVal == text.encode()[:kept].decode()


def test_a_large_batch_is_one_segment_and_every_row_is_right() -> None:
    """A full second of a busy exporter, with addresses, texts and custom columns for a third of the flows."""
    length = 10_000
    number = np.arange(length)
    address = np.where(number[:, None] % 3 == 0, np.arange(1, 17), 0).astype(np.uint8)
    batch = FlowBatch(
        length=length,
        columns={
            "in_bytes": number.astype(np.uint64),
            "ipv6_dst_addr": address,
            "dst_bgp_as_path": np.where(number % 3 == 0, number.astype("S6"), b""),
        },
        custom={"label": np.where(number % 5 == 0, number.astype("S6"), b"")},
    )
    rows = read(encode(batch, device_id=1, column_ids=flow_batches.COLUMN_IDS))
    assert len(rows) == length
    for index in (0, 1, 3, 15, 9998, 9999):
        row = rows[index]
        text = str(index) if index % 3 == 0 else ""
        assert (row.inBytes, row.dstBgpAsPath) == (index, text)
        assert row.ipv6DstAddr == (bytes(range(1, 17)) if text else b"")
        assert [value.value.strVal for value in row.custom] == ([str(index)] if index % 5 == 0 else [])


def test_no_flows_make_a_message_without_rows() -> None:
    """An empty batch is a valid message."""
    assert len(read(encode(FlowBatch(length=0), device_id=1, column_ids={}))) == 0


def test_a_message_that_readers_would_refuse_is_not_made() -> None:
    """Beyond the usual limit of Cap'n Proto readers there is a clear error, before the memory is taken."""
    flows = encoder.MAX_MESSAGE_BYTES // 344 + 1
    with pytest.raises(ValueError, match=f"{flows} flows make a message of .* 67108864 is the most"):
        flatten(FlowBatch(length=flows), device_id=1, column_ids={})


def test_a_custom_column_without_a_type_in_kflow_is_named() -> None:
    """A signed column cannot be sent; the error says which."""
    batch = FlowBatch(length=1, custom={"small": np.array([-1], np.int32)})
    with pytest.raises(ValueError, match="custom column small: kflow has no type for int32"):
        encode(batch, device_id=1, column_ids=flow_batches.COLUMN_IDS)


def test_encoding_leaves_the_batch_alone_and_works_in_threads() -> None:
    """Eight encodings at a time give the same bytes as one alone."""
    batch = distinct_batch(500)
    expected = encode(batch, device_id=1, column_ids={})
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: encode(batch, device_id=1, column_ids={}), range(24)))
    assert set(bodies) == {expected}


def test_memory_that_is_used_again_shows_nothing_of_the_message_before() -> None:
    """Large and small ones, with addresses and texts behind the rows and without, as if each had memory of its own."""
    plain = {"in_bytes": np.arange(1, 20_001, dtype=np.uint64)}
    batches = [
        distinct_batch(40),
        FlowBatch(length=1),
        FlowBatch(length=20_000, columns=plain),
        FlowBatch(length=7, columns={"dst_as": np.arange(7, dtype=np.uint32)}),
        distinct_batch(30),
        FlowBatch(length=0),
    ]
    with Encoder() as kept:
        for device_id, batch in enumerate(batches, start=1):
            body = kept.encode(batch, device_id=device_id, column_ids={})
            assert body == encode(batch, device_id=device_id, column_ids={})
            assert [row.deviceId for row in read(body)] == [device_id] * batch.length


def test_memory_of_a_large_message_is_not_kept() -> None:
    """Neither that of its words nor that of its packed bytes, which hardly compress here."""
    random = np.random.default_rng(3)
    number = random.integers(1 << 63, size=80_000, dtype=np.uint64)
    columns = dict.fromkeys(("in_bytes", "in_pkts", "out_bytes", "out_pkts", "src_eth_mac", "dst_eth_mac"), number)
    with Encoder() as kept:
        kept.encode(FlowBatch(length=5000), device_id=1, column_ids={})
        before = kept._words.nbytes
        kept.encode(FlowBatch(length=len(number), columns=columns), device_id=1, column_ids={})
        assert 0 < before == kept._words.nbytes < MAX_KEPT_BYTES
        assert os.fstat(kept._packed.fileno()).st_size == MAX_KEPT_BYTES
