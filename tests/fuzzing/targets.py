"""The parsers of what a peer sends, as a fuzzer runs them: any bytes are taken or are ``MalformedInput``.

The same run under atheris (``make fuzz``) and, on the kept corpus, under pytest.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from kproxy_tw.capture.datagrams import datagram
from kproxy_tw.capture.files import packets
from kproxy_tw.capture.outline import outline
from kproxy_tw.capture.rewrite import TimeRewriter
from kproxy_tw.decode.custom import folded
from kproxy_tw.decode.dispatch import walk_all
from kproxy_tw.decode.layout import TemplateLayout
from kproxy_tw.decode.packet.parse import LINKS, parse_headers
from kproxy_tw.decode.records import RecordSet, Walk
from kproxy_tw.decode.sequences.book import SequenceBook
from kproxy_tw.decode.sflow.extras import EXTRAS
from kproxy_tw.decode.sflow.found import SflowFound
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.devices.device import Device
from kproxy_tw.devices.sflow import SflowDevice
from kproxy_tw.devices.sflow_status import sflow_status
from kproxy_tw.errors import MalformedInput
from kproxy_tw.listen.ipfix.framing import LARGEST_MESSAGE, MessageFramer
from kproxy_tw.listen.proxied import unwrapped

NOW_NS = 1_790_000_000 * 10**9
WANTED = frozenset({"ie315", "ie313", "applicationname", "mplslabel1", "innervlan", "tunneltype", "tunnelid"}) | {
    "forwardingstatus",
    *(folded(name) for extra in EXTRAS.values() for name in extra.names),
}
DISCARDS_WANTED = Device(device_id=1, company_id=1, name="fuzz", custom_columns={"discard_reason": 1})


@attrs.frozen
class Target:
    """A parser in the two steps of the daemon: bytes are walked as they come, columns made of many at once.

    :ivar walk: takes one input; gives what is to be decoded.
    :ivar decode: decodes what several inputs gave. One call costs about the same for one and for many.
    """

    walk: Callable[[bytes], Any]
    decode: Callable[[Sequence[Any]], None] = lambda _walked: None

    def __call__(self, data: bytes) -> None:
        """Both steps."""
        self.decode([self.walk(data)])


def datagrams(prefix: bytes) -> Target:
    """A parser of datagrams that begin with ``prefix``."""

    def run(data: bytes) -> list[RecordSet]:
        templates, sequences = TemplateCache(withdrawable=True), SequenceBook()
        templates.begin(0, NOW_NS / 1e9)
        # Every fourth input comes twice: what it taught holds for the second one.
        arrived = [prefix + data] * (2 if data[-1:] and data[-1] % 4 == 0 else 1)
        walks, _problems = walk_all(arrived, templates, [NOW_NS] * len(arrived), sequences)
        templates.describe()
        sequences.describe()
        return [records for walked in walks for records in _checked(walked)]

    return Target(run, _columns)


def _checked(walked: Walk) -> Iterator[RecordSet]:
    """What is to be decoded of a walk whose counts agree."""
    assert walked.records == sum(each.count for each in walked.sets) + (
        walked.held + walked.no_template + walked.malformed
    )
    yield from walked.sets
    if walked.sflow is not None:
        yield from _besides_flows(walked, walked.sflow)


def _besides_flows(walked: Walk, found: SflowFound) -> Iterator[RecordSet]:
    told = SflowDevice()
    told.take(walked, found, "192.0.2.1", DISCARDS_WANTED)
    sflow_status(told)
    if found.discards is not None:
        yield found.discards


def _columns(walked: Sequence[list[RecordSet]]) -> None:
    """Decode record sets; those of equal layouts together, as a tick does."""
    alike: dict[object, list[RecordSet]] = defaultdict(list)
    for records in (one for sets in walked for one in sets):
        layout = records.layout
        alike[layout.fields if isinstance(layout, TemplateLayout) else layout].append(records)
    for sets in alike.values():
        count = sum(records.count for records in sets)
        assert sets[0].layout.columns(sets, None, WANTED).length >= count
        some = np.arange(0, count, 2)
        assert sets[0].layout.columns(sets, some, frozenset()).length >= len(some)


def _packet_headers(packed: Sequence[bytes]) -> None:
    """The headers of sampled packets, each as every kind of link, with and without tunnels opened."""
    lengths = np.repeat([len(data) for data in packed], len(LINKS)).astype(np.intp)
    starts = np.repeat(np.cumsum([0, *(len(data) for data in packed[:-1])]), len(LINKS)).astype(np.intp)
    links = np.tile(sorted(LINKS), len(packed))
    octets = np.frombuffer(b"".join(packed) + bytes(64), np.uint8)
    for decap in (False, True):
        found = parse_headers(octets, starts, lengths, links, decap=decap, wanted=WANTED)
        assert found.length == len(links)


def _outlines(data: bytes) -> None:
    """What ``kproxy decode`` tells of a datagram, and what ``kproxy replay`` makes of its times."""
    outline(data)
    TimeRewriter().rewrite(data, NOW_NS / 1e9)


def _framing(data: bytes) -> None:
    """IPFIX messages out of a stream, cut in two places."""
    framer = MessageFramer()
    cut = len(data) // 3
    for part in (data[:cut], data[cut : 2 * cut], data[2 * cut :]):
        for message in framer.feed(part):
            assert 16 <= len(message) <= LARGEST_MESSAGE
        assert framer.waiting <= LARGEST_MESSAGE


def _captures(data: bytes) -> None:
    """pcap and pcapng files."""
    try:
        for packet in packets(io.BufferedReader(io.BytesIO(data))):
            datagram(packet)
    except MalformedInput:
        return


def _proxied(data: bytes) -> None:
    """Datagrams that a balancer passes on."""
    try:
        payload, _source = unwrapped(data, ("192.0.2.1", 1))
        assert data.endswith(payload)
    except MalformedInput:
        return


TARGETS: Mapping[str, Target] = {
    "netflow1": datagrams(b"\x00\x01"),
    "netflow5": datagrams(b"\x00\x05"),
    "netflow7": datagrams(b"\x00\x07"),
    "netflow9": datagrams(b"\x00\x09"),
    "ipfix": datagrams(b"\x00\x0a"),
    "sflow": datagrams(b"\x00\x00\x00\x05"),
    "packets": Target(lambda data: data, _packet_headers),
    "framing": Target(_framing),
    "captures": Target(_captures),
    "outlines": Target(_outlines),
    "proxied": Target(_proxied),
}
