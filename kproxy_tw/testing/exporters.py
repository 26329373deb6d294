"""Exporters that speak NetFlow v5, v9, IPFIX and sFlow v5 on the wire, for the demo, the benchmarks and tests.

Each class counts what it sent as its protocol demands (sequence numbers, uptime) and gives datagrams as bytes;
nothing here opens a socket. Formats: NetFlow v5 as Cisco documents it, RFC 3954, RFC 7011, sFlow version 5.
"""

from __future__ import annotations

import struct
from typing import Protocol

import numpy as np

from kproxy_tw.testing.traffic import Flows

FLOW_MS = 800
"""How long each made-up flow lasted before it is exported."""

TEMPLATE_ID = 300
TEMPLATE_EVERY = 50
"""A template goes with the first datagram and with every so many after it."""

FCS_BYTES = 4
"""Ethernet's check sum: counted in the frame's length, not in the sampled header."""


class Exporter(Protocol):
    """Makes datagrams of flows."""

    flows_per_datagram: int

    def datagram(self, flows: Flows, now: float) -> bytes:
        """One datagram with all of ``flows`` (at most ``flows_per_datagram``).

        :param now: seconds since 1970; it is also the exporter's clock.
        """


class NetFlow5Exporter:
    """NetFlow version 5: 24 bytes of header, 48 a record."""

    flows_per_datagram = 30
    RECORD = np.dtype(
        [
            ("src", ">u4"),
            ("dst", ">u4"),
            ("next_hop", ">u4"),
            ("input", ">u2"),
            ("output", ">u2"),
            ("packets", ">u4"),
            ("bytes", ">u4"),
            ("first", ">u4"),
            ("last", ">u4"),
            ("sport", ">u2"),
            ("dport", ">u2"),
            ("pad1", "u1"),
            ("flags", "u1"),
            ("protocol", "u1"),
            ("tos", "u1"),
            ("src_as", ">u2"),
            ("dst_as", ">u2"),
            ("src_mask", "u1"),
            ("dst_mask", "u1"),
            ("pad2", ">u2"),
        ]
    )

    def __init__(self, started: float, sampling: int = 0) -> None:
        self._started = started
        self._sampling = sampling
        self._sequence = 0

    def datagram(self, flows: Flows, now: float) -> bytes:
        """See :class:`Exporter`."""
        uptime = int((now - self._started) * 1000) + 60_000
        records = _fill(np.zeros(len(flows), self.RECORD), flows)
        records["first"], records["last"] = uptime - FLOW_MS, uptime
        records["src_mask"] = records["dst_mask"] = 24
        seconds, nanoseconds = int(now), int(now % 1 * 1e9)
        header = struct.pack(
            "!HHIIIIBBH", 5, len(flows), uptime, seconds, nanoseconds, self._sequence, 0, 0, self._sampling
        )
        self._sequence += len(flows)
        return header + records.tobytes()


TEMPLATED_RECORD = np.dtype(
    [
        ("src", ">u4"),
        ("dst", ">u4"),
        ("sport", ">u2"),
        ("dport", ">u2"),
        ("protocol", "u1"),
        ("tos", "u1"),
        ("flags", "u1"),
        ("src_mask", "u1"),
        ("dst_mask", "u1"),
        ("input", ">u4"),
        ("output", ">u4"),
        ("src_as", ">u4"),
        ("dst_as", ">u4"),
        ("packets", ">u4"),
        ("bytes", ">u8"),
        ("first", ">u4"),
        ("last", ">u4"),
    ]
)
TEMPLATED_ELEMENTS = (8, 12, 7, 11, 4, 5, 6, 9, 13, 10, 14, 16, 17, 2, 1)
"""Information elements of all fields but the two times (IANA IPFIX registry; the same numbers in NetFlow v9)."""


def _template(times: tuple[int, int], set_id: int) -> bytes:
    sizes = [TEMPLATED_RECORD[name].itemsize for name in TEMPLATED_RECORD.names or ()]
    fields = b"".join(
        struct.pack("!HH", element, size) for element, size in zip(TEMPLATED_ELEMENTS + times, sizes, strict=True)
    )
    return struct.pack("!HHHH", set_id, 8 + len(fields), TEMPLATE_ID, len(sizes)) + fields


def _data_set(flows: Flows, first: int, last: int) -> bytes:
    records = _fill(np.zeros(len(flows), TEMPLATED_RECORD), flows)
    records["first"], records["last"] = first, last
    records["src_mask"] = records["dst_mask"] = 24
    body = records.tobytes()
    padding = -len(body) % 4
    return struct.pack("!HH", TEMPLATE_ID, 4 + len(body) + padding) + body + bytes(padding)


class NetFlow9Exporter:
    """NetFlow version 9 (RFC 3954) with one template of 17 fields, 54 bytes a record."""

    flows_per_datagram = 25
    FIRST_LAST_SWITCHED = (22, 21)

    def __init__(self, started: float, source_id: int = 0) -> None:
        self._started = started
        self._source_id = source_id
        self._sent = 0

    def datagram(self, flows: Flows, now: float) -> bytes:
        """See :class:`Exporter`."""
        uptime = int((now - self._started) * 1000) + 60_000
        template = _template(self.FIRST_LAST_SWITCHED, 0) if self._sent % TEMPLATE_EVERY == 0 else b""
        header = struct.pack("!HHIIII", 9, len(flows) + bool(template), uptime, int(now), self._sent, self._source_id)
        self._sent += 1
        return header + template + _data_set(flows, uptime - FLOW_MS, uptime)


class IpfixExporter:
    """IPFIX (RFC 7011) with the same record as version 9, its times in seconds since 1970."""

    flows_per_datagram = 25
    FLOW_START_END_SECONDS = (150, 151)

    def __init__(self, started: float, domain: int = 0) -> None:
        self._domain = domain
        self._records = 0
        self._sent = 0

    def datagram(self, flows: Flows, now: float) -> bytes:
        """See :class:`Exporter`."""
        template = _template(self.FLOW_START_END_SECONDS, 2) if self._sent % TEMPLATE_EVERY == 0 else b""
        body = template + _data_set(flows, int(now - FLOW_MS / 1000), int(now))
        header = struct.pack("!HHIII", 10, 16 + len(body), int(now), self._records, self._domain)
        self._records += len(flows)
        self._sent += 1
        return header + body


class SflowExporter:
    """sFlow version 5: each flow is one flow sample of one packet header."""

    flows_per_datagram = 8

    def __init__(self, started: float, rate: int = 1) -> None:
        self._started = started
        self._rate = rate
        self._datagrams = 0
        self._samples: dict[int, int] = {}

    def datagram(self, flows: Flows, now: float) -> bytes:
        """See :class:`Exporter`; the flow's bytes over its packets is the sampled packet's length."""
        samples = b"".join(self._sample(flow) for flow in flows)
        self._datagrams += 1
        uptime = int((now - self._started) * 1000)
        agent = bytes((192, 0, 2, 1))
        return struct.pack("!II4sIIII", 5, 1, agent, 0, self._datagrams, uptime, len(flows)) + samples

    def _sample(self, flow: np.void) -> bytes:
        source = int(flow["input"])
        number = self._samples[source] = self._samples.get(source, 0) + 1
        length = int(flow["bytes"]) // int(flow["packets"])
        header = _ethernet_header(flow, length)
        opaque = header + bytes(-len(header) % 4)
        raw = struct.pack("!IIIIII", 1, 16 + len(opaque), 1, length, FCS_BYTES, len(header)) + opaque
        body = struct.pack(
            "!IIIIIIII",
            number,
            source,
            self._rate,
            number * self._rate,
            0,
            source,
            int(flow["output"]),
            1,
        )
        return struct.pack("!II", 1, len(body) + len(raw)) + body + raw


def _ethernet_header(flow: np.void, length: int) -> bytes:
    ethernet = bytes.fromhex("0200000000020200000000010800")
    addresses = struct.pack("!II", int(flow["src"]), int(flow["dst"]))
    ip = struct.pack(
        "!BBHHHBBH", 0x45, int(flow["tos"]), length - len(ethernet) - FCS_BYTES, 0, 0, 64, int(flow["protocol"]), 0
    )
    ports = struct.pack("!HH", int(flow["sport"]), int(flow["dport"]))
    rest = struct.pack("!IIBBHHH", 0, 0, 0x50, int(flow["flags"]), 0, 0, 0)
    return ethernet + ip + addresses + ports + rest


def _fill(records: Flows, flows: Flows) -> Flows:
    for name in flows.dtype.names or ():
        records[name] = flows[name]
    return records
