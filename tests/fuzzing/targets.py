"""One function for each parser that reads what a peer sends: any bytes are taken or are ``MalformedInput``.

The same functions run under atheris (``make fuzz``) and, on the kept corpus, under pytest.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np

from kproxy_tw.capture.datagrams import datagram
from kproxy_tw.capture.files import packets
from kproxy_tw.capture.outline import outline
from kproxy_tw.capture.rewrite import TimeRewriter
from kproxy_tw.decode.custom import folded
from kproxy_tw.decode.dispatch import walk_all
from kproxy_tw.decode.packet.parse import LINKS, parse_headers
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.sequences.book import SequenceBook
from kproxy_tw.decode.sflow.extras import EXTRAS
from kproxy_tw.decode.sflow.found import SflowFound
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.devices.device import Device
from kproxy_tw.devices.sflow import SflowDevice
from kproxy_tw.devices.sflow_status import sflow_status
from kproxy_tw.errors import MalformedInput
from kproxy_tw.listen.ipfix.framing import LARGEST_MESSAGE, MessageFramer

NOW_NS = 1_790_000_000 * 10**9
WANTED = frozenset({"ie315", "ie313", "applicationname", "mplslabel1", "innervlan", "tunneltype", "tunnelid"}) | {
    "forwardingstatus",
    *(folded(name) for extra in EXTRAS.values() for name in extra.names),
}

Target = Callable[[bytes], None]


def datagrams(prefix: bytes) -> Target:
    """A parser of datagrams that begin with ``prefix``: learn from one, and decode it again with what was learned."""

    def run(data: bytes) -> None:
        whole = prefix + data
        templates, sequences = TemplateCache(withdrawable=True), SequenceBook()
        for _time in range(2):
            templates.begin(0, NOW_NS / 1e9)
            walks, _problems = walk_all([whole], templates, [NOW_NS], sequences)
            for walked in walks:
                assert walked.records == sum(each.count for each in walked.sets) + (
                    walked.held + walked.no_template + walked.malformed
                )
                for records in walked.sets:
                    _decode(records)
                if walked.sflow is not None:
                    _besides_flows(walked, walked.sflow)
        outline(whole)
        TimeRewriter().rewrite(whole, NOW_NS / 1e9)
        templates.describe()
        sequences.describe()

    return run


def _besides_flows(walked: Walk, found: SflowFound) -> None:
    device = Device(device_id=1, company_id=1, name="fuzz", custom_columns={"discard_reason": 1})
    told = SflowDevice()
    told.take(walked, found, "192.0.2.1", device)
    sflow_status(told)
    if found.discards is not None:
        _decode(found.discards)


def _decode(records: object) -> None:
    layout, count = records.layout, records.count  # type: ignore[attr-defined]
    assert layout.columns([records], None, WANTED).length >= count
    some = np.arange(0, count, 2)
    assert layout.columns([records], some, frozenset()).length >= len(some)


def packet_headers(data: bytes) -> None:
    """The headers of sampled packets, as every kind of link, with and without tunnels opened."""
    octets = np.frombuffer(data + bytes(64), np.uint8)
    size = len(LINKS)
    starts, lengths = np.zeros(size, np.intp), np.full(size, len(data), np.intp)
    for decap in (False, True):
        found = parse_headers(octets, starts, lengths, np.array(sorted(LINKS)), decap=decap, wanted=WANTED)
        assert found.length == size


def framing(data: bytes) -> None:
    """IPFIX messages out of a stream, cut in two places."""
    framer = MessageFramer()
    cut = len(data) // 3
    for part in (data[:cut], data[cut : 2 * cut], data[2 * cut :]):
        for message in framer.feed(part):
            assert 16 <= len(message) <= LARGEST_MESSAGE
        assert framer.waiting <= LARGEST_MESSAGE


def captures(data: bytes) -> None:
    """pcap and pcapng files."""
    try:
        for packet in packets(io.BufferedReader(io.BytesIO(data))):
            datagram(packet)
    except MalformedInput:
        return


TARGETS: Mapping[str, Target] = {
    "netflow5": datagrams(b"\x00\x05"),
    "netflow9": datagrams(b"\x00\x09"),
    "ipfix": datagrams(b"\x00\x0a"),
    "sflow": datagrams(b"\x00\x00\x00\x05"),
    "packets": packet_headers,
    "framing": framing,
    "captures": captures,
}
