"""Real exporters: everything is taken, and tshark and telegraf see the same."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.templates import TemplateCache
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch
from tests.captures import CAPTURES, Session, needs_tshark, session_params, sessions, tshark_flows
from tests.decode.netflow_bytes import NOW_NS

FOLDERS = ("netflow5", "netflow9", "ipfix")

OTHERWISE_ON_PURPOSE = {
    ("netflow5", "invalid01"): (0, "the header counts 55582 records; no datagram can hold them: it is not believed"),
    ("netflow9", "invalid01"): (2, "the header counts 2 and tshark stops there; two sets behind hold a record each"),
    ("ipfix", "ipfix"): (12, "tshark reads the 1st message only; the 2nd has 1 record, the 3rd 5"),
}
"""(folder, session) to the records that we find, and why tshark finds others."""

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
        decoded = sum(batch.length for batch in batches(found))
        assert decoded == found.records - found.no_template - found.malformed


@needs_tshark
@pytest.mark.parametrize("session", session_params(*FOLDERS))
def test_records_and_values_are_those_of_tshark(session: Session, tmp_path: Path) -> None:
    """Counts and common fields of every record equal tshark's, except where we differ on purpose."""
    mine, theirs = walks(session), tshark_flows(tmp_path / "session.pcap", session.datagrams())
    differs = OTHERWISE_ON_PURPOSE.get((session.files[0].parent.name, session.name))
    if differs:
        assert sum(found.records for found in mine) == differs[0] != sum(map(len, theirs)), differs[1]
        return
    for file, found, flows in zip(session.files, mine, theirs, strict=True):
        rows = [(batch, index) for batch in batches(found) for index in range(batch.length)]
        assert len(rows) == len(flows), file.name
        for (batch, index), flow in zip(rows, flows, strict=True):
            wanted = {name: column for name, column in COMPARED.items() if name in flow.fields}
            if flow.fields["cflow.protocol"] in ("1", "58"):  # on purpose: ICMP type and code stand there
                del wanted["cflow.dstport"]
            ours = {name: shown(batch, column, index) for name, column in wanted.items()}
            assert ours == {name: flow.fields[name] for name in ours}, file.name


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
    for batch in (batch for found in walks(session) for batch in batches(found)):
        for index in range(batch.length):
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
