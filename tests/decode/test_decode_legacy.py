"""NetFlow versions 1 and 7: each field as tshark reads it; sequence numbers of version 7; any bytes."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.decode.dispatch import walk, walk_all
from kproxy_tw.decode.sequences.book import SequenceBook
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from tests.captures import needs_tshark, write_pcap
from tests.decode.netflow_bytes import NOW, NOW_NS

ADDRESSES = bytes([192, 0, 2, 130, 198, 51, 100, 7, 203, 0, 113, 1])
COUNTERS = struct.pack("!HHIIIIHH", 17, 18, 3_000_000, 4_000_000_000, 1000, 2000, 50123, 443)
VERSION_1 = ADDRESSES + COUNTERS + struct.pack("!HBBB", 0, 6, 0xB8, 0x1B) + bytes(11)
VERSION_7 = (
    ADDRESSES
    + COUNTERS
    + struct.pack("!BBBBHHBBH", 0, 0x1B, 6, 0xB8, 65001, 15169, 25, 22, 0)
    + bytes([203, 0, 113, 9])
)


def v1(*records: bytes, count: int | None = None) -> bytes:
    """A datagram."""
    return struct.pack("!HHIII", 1, len(records) if count is None else count, 5000, NOW, 0) + b"".join(records)


def v7(*records: bytes, sequence: int = 0) -> bytes:
    """A datagram."""
    return struct.pack("!HHIIIII", 7, len(records), 5000, NOW, 0, sequence, 0) + b"".join(records)


def decoded(data: bytes) -> FlowBatch:
    """All records."""
    (records,) = walk(data, TemplateCache(), NOW_NS).sets
    return records.layout.columns([records], None)


FIELDS = {
    "cflow.srcaddr": "ipv4_src_addr",
    "cflow.dstaddr": "ipv4_dst_addr",
    "cflow.nexthop": "ipv4_next_hop",
    "cflow.inputint": "input_port",
    "cflow.outputint": "output_port",
    "cflow.packets": "in_pkts",
    "cflow.octets": "in_bytes",
    "cflow.srcport": "l4_src_port",
    "cflow.dstport": "l4_dst_port",
    "cflow.protocol": "protocol",
    "cflow.tos": "tos",
    "cflow.tcpflags": "tcp_flags",
    "cflow.srcas": "src_as",
    "cflow.dstas": "dst_as",
    "cflow.srcmask": "src_route_length",
    "cflow.dstmask": "dst_route_length",
}
"""tshark's names, and ours."""


def number(text: str) -> int:
    """What tshark prints: an address, hexadecimal or decimal; 0 for nothing."""
    if text.count(".") == 3:
        return int.from_bytes(bytes(map(int, text.split("."))), "big")
    return int(text or "0", 0)


@needs_tshark
@pytest.mark.parametrize("data", [v1(VERSION_1), v7(VERSION_7)], ids=["version 1", "version 7"])
def test_tshark_reads_the_same(data: bytes, tmp_path: Path) -> None:
    """Every field of a record; those that a version does not have are 0."""
    path = tmp_path / "flow.pcap"
    write_pcap(path, [data], 2055)
    command = ["tshark", "-r", str(path), "-d", "udp.port==2055,cflow", "-T", "fields", "-E", "separator=|"]
    for name in FIELDS:
        command += ["-e", name]
    told = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stdout.rstrip("\n")
    batch = decoded(data)
    ours = {name: int(batch.column(column)[0]) for name, column in FIELDS.items()}
    assert ours == {name: number(text) for name, text in zip(FIELDS, told.split("|"), strict=True)}
    assert ours["cflow.octets"] == 4_000_000_000
    assert batch.column("timestamp_nano")[0] == NOW_NS - 3 * 10**9  # ended at 2 s of uptime, sent at 5 s


def test_records_that_are_not_there() -> None:
    """Counted as malformed; whole ones before them are kept."""
    walked = walk(v1(VERSION_1, VERSION_1[:20], count=3), TemplateCache(), NOW_NS)
    assert (walked.flow_type, walked.records, walked.malformed, walked.sets[0].count) == ("netflow1", 3, 2, 1)


def test_what_version_7_lost() -> None:
    """Its sequence numbers count flows, as those of version 5."""
    book = SequenceBook()
    sent = [v7(VERSION_7, VERSION_7, sequence=number) for number in (0, 2, 8, 10)]
    walks, problems = walk_all(sent, TemplateCache(), [NOW_NS] * 4, book)
    book.settle(NOW_NS + 60 * 10**9)
    assert (sum(walked.records for walked in walks), problems, book.totals().lost) == (8, [], 4)


@given(st.sampled_from([b"\x00\x01", b"\x00\x07"]), st.binary(max_size=300))
def test_any_bytes(version: bytes, data: bytes) -> None:
    """Taken, or malformed."""
    try:
        walked = walk(version + data, TemplateCache(), NOW_NS)
    except MalformedInput:
        return
    for records in walked.sets:
        assert records.layout.columns([records], None).length == records.count
