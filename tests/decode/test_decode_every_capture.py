"""Every capture there is, in any folder and of any vendor: the records and values that tshark sees.

``.dat`` files and packet captures are taken alike. What we make otherwise on purpose is listed here, with the reason.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest

from kproxy_tw.capture.datagrams import datagram
from kproxy_tw.capture.files import packets
from kproxy_tw.capture.plausible import is_flow
from kproxy_tw.decode.dispatch import detect, walk
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from tests.captures import CAPTURES, SeenFlow, needs_tshark, tshark_flows
from tests.decode.netflow_bytes import NOW_NS
from tests.decode.test_decode_sflow_tshark import tshark_samples

NO_FLOW = {
    "iosxr-tcp": "streaming telemetry over TCP",
    "junos-udp": "streaming telemetry over UDP",
}
"""Folders without flow, and what is in them."""

OTHERWISE_ON_PURPOSE = {
    "netflow5/invalid01": (0, "the header counts 55582 records; no datagram can hold them: it is not believed"),
    "netflow9/invalid01": (2, "the header counts 2 and tshark stops there; two sets behind hold a record each"),
    "ipfix/ipfix": (12, "tshark reads the 1st message only; the 2nd has 1 record, the 3rd 5"),
}
"""Exporter to the records that we find, and why tshark finds others."""

SAMPLES_SUFFIX = (".pcap", ".pcapng", ".cap")

Show = Callable[[FlowBatch, int], str]


@attrs.frozen
class Exporter:
    """The datagrams of one exporter. ``name``: folder and beginning of the file names, or file and address."""

    name: str
    datagrams: list[bytes] = attrs.field(repr=False)


def of_dat_files() -> Iterator[Exporter]:
    """Exporters of which each datagram is a file; templates come first."""
    found: dict[str, list[Path]] = {}
    for file in sorted(CAPTURES.rglob("*.dat")):
        stem = re.sub(r"[_-](opt)?tpl.*|[_-]data.*|_example.*", "", file.stem)
        found.setdefault(f"{file.parent.relative_to(CAPTURES)}/{stem}", []).append(file)
    for name, files in found.items():
        files.sort(key=lambda file: (not re.search(r"tpl", file.name), file.name))
        yield Exporter(name, [file.read_bytes() for file in files])


def of_packet_captures() -> Iterator[Exporter]:
    """Exporters in pcap and pcapng files, by source address and port."""
    for file in sorted(file for suffix in SAMPLES_SUFFIX for file in CAPTURES.rglob(f"*{suffix}")):
        if file.parent.name in NO_FLOW:
            continue
        senders: dict[str, list[bytes]] = {}
        with file.open("rb") as opened:
            for packet in packets(opened):
                found = datagram(packet)
                if not isinstance(found, str) and is_flow(found.payload):
                    name = f"{file.relative_to(CAPTURES)} {found.source}:{found.source_port}"
                    senders.setdefault(name, []).append(found.payload)
        yield from (Exporter(name, payloads) for name, payloads in senders.items())


def exporters(*, sflow: bool) -> list[object]:
    """All of one kind, for ``parametrize``; one skipped test with the reason where the captures are absent."""
    everything = [*of_dat_files(), *of_packet_captures()] if CAPTURES.is_dir() else []
    wanted = [each for each in everything if (detect(each.datagrams[0]) == "sflow") is sflow]
    if wanted:
        return [pytest.param(each, id=each.name) for each in wanted]
    absent = pytest.mark.skip(reason=f"CAPTURES NOT TESTED: not at {CAPTURES}")
    return [pytest.param(Exporter("absent", []), marks=absent)]


def number(column: str) -> Show:
    """As a decimal number."""
    return lambda batch, row: str(int(batch.column(column)[row]))


def counter(inward: str, outward: str) -> Show:
    """One column for each direction, of which tshark shows the one that stands first in the record."""

    def show(batch: FlowBatch, row: int) -> str:
        coming, going = int(batch.column(inward)[row]), int(batch.column(outward)[row])
        return f"{coming} or {going}" if coming and going else str(coming or going)

    return show


def address4(column: str) -> Show:
    """IPv4."""
    return lambda batch, row: str(ipaddress.IPv4Address(int(batch.column(column)[row])))


def address6(column: str) -> Show:
    """IPv6."""
    return lambda batch, row: str(ipaddress.IPv6Address(batch.column(column)[row].tobytes()))


def mac(column: str) -> Show:
    """As ``00:50:56:91:56:86``."""
    return lambda batch, row: ":".join(f"{octet:02x}" for octet in int(batch.column(column)[row]).to_bytes(6, "big"))


COMPARED: dict[str, Show] = {
    "cflow.srcaddr": address4("ipv4_src_addr"),
    "cflow.dstaddr": address4("ipv4_dst_addr"),
    "cflow.srcaddrv6": address6("ipv6_src_addr"),
    "cflow.dstaddrv6": address6("ipv6_dst_addr"),
    "cflow.protocol": number("protocol"),
    "cflow.srcport": number("l4_src_port"),
    "cflow.dstport": number("l4_dst_port"),
    "cflow.octets": counter("in_bytes", "out_bytes"),
    "cflow.packets": counter("in_pkts", "out_pkts"),
    "cflow.tos": number("tos"),
    "cflow.tcpflags": number("tcp_flags"),
    "cflow.inputint": number("input_port"),
    "cflow.outputint": number("output_port"),
    "cflow.srcas": number("src_as"),
    "cflow.dstas": number("dst_as"),
    "cflow.srcmask": number("src_route_length"),
    "cflow.dstmask": number("dst_route_length"),
    "cflow.nexthop": address4("ipv4_next_hop"),
    "cflow.bgpnexthop": address4("ipv4_dst_next_hop"),
    "cflow.nexthopv6": address6("ipv6_dst_next_hop"),
    "cflow.srcmac": mac("src_eth_mac"),
    "cflow.dstmac": mac("dst_eth_mac"),
}
"""tshark's field, the first of its name in a record: how we show the same."""

ICMP = ("1", "58")
"""In ``cflow.protocol``: the port fields carry type and code, which we read from the element made for it, if any."""

COUNTERS = ("cflow.octets", "cflow.packets")


def same(name: str, ours: str, flow: SeenFlow) -> bool:
    """Whether a value is tshark's, or another one on purpose."""
    theirs = flow.fields[name]
    if name == "cflow.dstport" and flow.fields.get("cflow.protocol") in ICMP:
        return True
    if name in COUNTERS:  # 0 stands first where the other direction has the traffic
        return theirs in ("0", *ours.split(" or "))
    return str(int(theirs, 16)) == ours if theirs.startswith("0x") else theirs == ours


def walks(each: Exporter) -> list[Walk]:
    """The walks of an exporter's datagrams in order; an empty one for a datagram that is refused."""
    templates, found = TemplateCache(), []
    for data in each.datagrams:
        try:
            found.append(walk(data, templates, NOW_NS))
        except MalformedInput:
            found.append(Walk("refused"))
    return found


def rows(found: Walk) -> list[tuple[FlowBatch, int]]:
    """Where each record of a walk stands among the flows; of a biflow the first direction."""
    result = []
    for records in found.sets:
        batch = records.layout.columns([records], None)
        assert batch.length >= records.count
        result += [(batch, row) for row in range(records.count)]
    return result


@needs_tshark
@pytest.mark.parametrize("each", exporters(sflow=False))
def test_records_and_values_are_those_of_tshark(each: Exporter, tmp_path: Path) -> None:
    """Counts, and every common field of every record, except where we differ on purpose."""
    mine, theirs = walks(each), tshark_flows(tmp_path / "session.pcap", each.datagrams)
    purpose = OTHERWISE_ON_PURPOSE.get(each.name)
    if purpose:
        assert sum(found.records for found in mine) == purpose[0] != sum(map(len, theirs)), purpose[1]
        return
    problems: Counter[str] = Counter()
    for place, (found, flows) in enumerate(zip(mine, theirs, strict=True)):
        ours = rows(found)
        assert len(ours) == len(flows), f"datagram {place}"
        for (batch, row), flow in zip(ours, flows, strict=True):
            for name in COMPARED.keys() & flow.fields.keys():
                shown = COMPARED[name](batch, row)
                if not same(name, shown, flow):
                    problems[f"{name}: ours {shown}, tshark's {flow.fields[name]}"] += 1
    assert problems == Counter()


@needs_tshark
@pytest.mark.parametrize("each", exporters(sflow=True))
def test_samples_are_those_of_tshark(each: Exporter, tmp_path: Path) -> None:
    """As many flow samples, with the same rates and frame lengths."""
    seen = tshark_samples(tmp_path / "sflow.pcap", each.datagrams)
    sets = [records for found in walks(each) for records in found.sets]
    assert sum(records.count for records in sets) == len(seen)
    for name, column in (
        ("sflow.flow_sample.sampling_rate", "sample_rate"),
        ("sflow_245.header.frame_length", "in_bytes"),
    ):
        ours = [value for records in sets for value in records.layout.columns([records], None).column(column).tolist()]
        theirs = [int(sample[name], 0) if name in sample else None for sample in seen]
        assert all(theirs[row] in (None, value) for row, value in enumerate(ours))


def test_every_file_is_looked_at() -> None:
    """No capture is in a folder that nobody reads."""
    if not CAPTURES.is_dir():
        pytest.skip(f"CAPTURES NOT TESTED: not at {CAPTURES}")
    files = [file for file in CAPTURES.rglob("*") if file.is_file() and not file.name.startswith("README")]
    read = {".dat", ".txt", *SAMPLES_SUFFIX}  # texts say what other programs expect
    assert [file for file in files if file.suffix not in read and file.parent.name not in NO_FLOW] == []
    assert np.all([(CAPTURES / folder).is_dir() for folder in NO_FLOW])
