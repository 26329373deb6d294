"""Real exporters: everything is taken, and telegraf sees the same. tshark's view: ``test_decode_every_capture``."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from tests.captures import CAPTURES, Session, session_params, sessions
from tests.decode.netflow_bytes import NOW_NS

FOLDERS = ("netflow5", "netflow9", "ipfix")


COMPARED = {
    "cflow.srcaddr": "ipv4_src_addr",
    "cflow.dstaddr": "ipv4_dst_addr",
    "cflow.srcaddrv6": "ipv6_src_addr",
    "cflow.dstaddrv6": "ipv6_dst_addr",
    "cflow.protocol": "protocol",
    "cflow.srcport": "l4_src_port",
    "cflow.dstport": "l4_dst_port",
    "cflow.octets": "in_bytes",
    "cflow.packets": "in_pkts",
    "cflow.inputint": "input_port",
    "cflow.outputint": "output_port",
    "cflow.srcas": "src_as",
    "cflow.dstas": "dst_as",
    "cflow.srcmask": "src_route_length",
    "cflow.dstmask": "dst_route_length",
    "cflow.nexthop": "ipv4_next_hop",
    "cflow.bgpnexthop": "ipv4_dst_next_hop",
}


def walks(session: Session) -> list[Walk]:
    """The walks of a session's datagrams in order; an empty one for a datagram that is refused."""
    templates = TemplateCache()
    found = []
    for data in session.datagrams():
        try:
            found.append(walk(data, templates, NOW_NS))
        except MalformedInput:
            found.append(Walk("refused"))
    return found


def batches(found: Walk) -> list[FlowBatch]:
    """The decoded sets of a walk."""
    return [records.layout.columns([records], None) for records in found.sets]


def rows(found: Walk) -> list[tuple[FlowBatch, int]]:
    """The flow of each record; of records of both directions the first, as other programs show them."""
    decoded = zip(found.sets, batches(found), strict=True)
    return [(batch, index) for records, batch in decoded for index in range(records.count)]


def shown(batch: FlowBatch, name: str, index: int) -> str:
    """A value as tshark writes it."""
    value = batch.column(name)[index]
    if name.startswith("ipv6"):
        return str(ipaddress.IPv6Address(value.tobytes()))
    return str(ipaddress.IPv4Address(int(value))) if name.startswith("ipv4") else str(int(value))


@pytest.mark.parametrize("session", session_params(*FOLDERS))
def test_every_capture_is_taken_and_decoded(session: Session) -> None:
    """Templates first, then data: records are counted, and all that were counted decode."""
    for found in walks(session):
        assert len(rows(found)) == found.records - found.held - found.no_template - found.malformed


def test_sessions_cover_flows() -> None:
    """The captures as a whole hold flows of every protocol, so that the tests above test something."""
    if not CAPTURES.is_dir():
        pytest.skip(f"CAPTURES NOT TESTED: not at {CAPTURES}")
    totals = [sum(found.records for each in sessions(folder) for found in walks(each)) for folder in FOLDERS]
    assert all(total > 30 for total in totals)


def telegraf_lines(path: Path) -> list[tuple[str, str, int, int, int, int, str]]:
    """Source, destination, ports, bytes, packets and protocol of every flow in an expectation of telegraf."""
    found = []
    for line in path.read_text().splitlines():
        if not line.startswith("netflow,"):
            continue
        tags = dict(re.findall(r'[ ,](\w+)="?([^",]+?)u?"?(?=[, ]|$)', line))
        kind = "in" if "in_bytes" in tags else "in_total"
        octets, packets = int(tags[f"{kind}_bytes"]), int(tags[f"{kind}_packets"])
        ports = int(tags["src_port"]), int(tags["dst_port"])
        found.append((tags["src"], tags["dst"], *ports, octets, packets, tags["protocol"]))
    return sorted(found)


@pytest.mark.parametrize("session", session_params("netflow9", "ipfix", vendor="telegraf"))
def test_telegraf_examples(session: Session) -> None:
    """Addresses, ports, bytes, packets and protocol are those that telegraf expects."""
    names = ("ipv4_src_addr", "ipv4_dst_addr", "l4_src_port", "l4_dst_port", "in_bytes", "in_pkts", "protocol")
    ours = []
    for batch, index in (row for found in walks(session) for row in rows(found)):
        source, destination, *numbers, protocol = (shown(batch, name, index) for name in names)
        ours.append((source, destination, *map(int, numbers), {"6": "tcp", "17": "udp"}[protocol]))
    (expected,) = session.files[0].parent.glob("telegraf*.expected.txt")
    assert sorted(ours) == telegraf_lines(expected)


@pytest.mark.parametrize("session", session_params(*FOLDERS))
def test_truncated_captures(session: Session) -> None:
    """Cut at every length, a datagram gives a walk that decodes, or MalformedInput, and nothing else."""
    before: list[bytes] = []
    for data in session.datagrams():
        templates = TemplateCache()
        for earlier in before:
            walk(earlier, templates, NOW_NS)
        if len(data) > 4:
            before.append(data)
        for length in range(len(data)):
            try:
                found = walk(data[:length], templates, NOW_NS)
            except MalformedInput:
                continue
            batches(found)
