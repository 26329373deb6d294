"""Export packets that are alike, walked together in NumPy.

A busy exporter sends packets of one size that hold one set of records of one template, thousands a second. Walking each
of them in Python costs more than decoding all of them; so packets of a batch that are alike are walked in one step:
their headers as columns, their records as one block. Everything else (templates, several sets, other sizes) is walked
packet by packet, and in its place: a template holds for what came after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.records import PacketClock, RecordSet, Walk
from kproxy_tw.decode.sequence import Counted
from kproxy_tw.decode.specifiers import FIRST_TEMPLATE_ID
from kproxy_tw.decode.templated import SET_HEADER_LENGTH
from kproxy_tw.decode.templates import TemplateCache
from kproxy_tw.errors import MalformedInput

LEAST = 8
"""Fewer packets than this are walked one by one: NumPy's fixed costs would not pay."""

Indices = npt.NDArray[np.intp]
WalkOne = Callable[[bytes, TemplateCache, int], Walk]


@attrs.frozen(eq=False)
class Header:
    """A protocol's packet header with the first set's header behind it.

    :ivar layout: fields ``version``, ``seconds``, ``domain``, ``set_id``, ``set_length``; ``uptime`` in NetFlow v9,
        ``length`` (of the whole message) in IPFIX.
    """

    version: int
    flow_type: str
    layout: np.dtype[np.void]

    @property
    def length(self) -> int:
        """Bytes in front of the first set."""
        return self.layout.itemsize - SET_HEADER_LENGTH


SOURCE_AND_SET = (("domain", ">u4"), ("set_id", ">u2"), ("set_length", ">u2"))

HEADERS = (
    Header(
        9,
        "netflow9",
        np.dtype(
            [
                ("version", ">u2"),
                ("count", ">u2"),
                ("uptime", ">u4"),
                ("seconds", ">u4"),
                ("sequence", ">u4"),
                *SOURCE_AND_SET,
            ]
        ),
    ),
    Header(
        10,
        "ipfix",
        np.dtype([("version", ">u2"), ("length", ">u2"), ("seconds", ">u4"), ("sequence", ">u4"), *SOURCE_AND_SET]),
    ),
)
"""RFC 3954 section 5.1; RFC 7011 section 3.1."""


@attrs.frozen(eq=False)
class Group:
    """Packets of one size with one data set of one template each.

    :ivar positions: where they stand in the batch, ascending.
    :ivar packets: their bytes, a row each.
    :ivar heads: their headers, one each.
    """

    header: Header
    domain: int
    template_id: int
    positions: Indices
    packets: npt.NDArray[np.uint8]
    heads: npt.NDArray[np.void]

    def block(self, rows: slice, templates: TemplateCache, received_ns: npt.NDArray[np.int64]) -> Walk | None:
        """Walk some of them; ``None`` when their template is not known, or its records are no plain flows."""
        template = templates.find(self.header.version, self.domain, self.template_id)
        first = self.header.layout.itemsize
        if template is None or not template.flow_length or self.packets.shape[1] - first < template.flow_length:
            return None
        heads, packets = self.heads[rows], self.packets[rows]
        each = (packets.shape[1] - first) // template.flow_length
        uptime = heads["uptime"] if self.header.version == 9 else np.zeros(len(heads))
        clock = PacketClock(
            heads["seconds"].astype(np.int64) * 1000, uptime.astype(np.int64), received_ns[self.positions[rows]]
        )
        body = packets[:, first : first + each * template.flow_length].tobytes()
        count = each * len(heads)
        records = RecordSet(template.layout, count, body, clock, datagrams=len(heads), domain=template.domain)
        return Walk(self.header.flow_type, [records], count)


def _groups(datagrams: Sequence[bytes]) -> Iterator[Group]:
    sizes = np.array([len(data) for data in datagrams])
    for size in np.unique(sizes).tolist():
        positions = np.flatnonzero(sizes == size)
        if len(positions) < LEAST:
            continue
        packets = np.frombuffer(b"".join([datagrams[position] for position in positions.tolist()]), np.uint8)
        for header in HEADERS:
            if size > header.layout.itemsize:
                yield from _of_one_size(header, positions, packets.reshape(-1, size))


def _of_one_size(header: Header, positions: Indices, packets: npt.NDArray[np.uint8]) -> Iterator[Group]:
    size = packets.shape[1]
    heads = packets[:, : header.layout.itemsize].copy().view(header.layout)[:, 0]
    fits = (heads["version"] == header.version) & (heads["set_length"] == size - header.length)
    fits &= heads["set_id"] >= FIRST_TEMPLATE_ID
    if header.version == 10:
        fits &= heads["length"] == size
    keys = heads["domain"].astype(np.uint64) << np.uint64(16) | heads["set_id"]
    for key in np.unique(keys[fits]):
        rows = np.flatnonzero(fits & (keys == key))
        if len(rows) < LEAST:
            continue
        domain, template_id = int(key) >> 16, int(key) & 0xFFFF
        if len(rows) == len(packets):
            yield Group(header, domain, template_id, positions, packets, heads)
        else:
            yield Group(header, domain, template_id, positions[rows], packets[rows], heads[rows])


def walk_batch(
    datagrams: Sequence[bytes],
    templates: TemplateCache,
    received_ns: Sequence[int],
    walk: WalkOne,
    counted: Counted | None = None,
) -> tuple[list[Walk], list[MalformedInput]]:
    """Walk datagrams of one exporter; the same records as one by one, though not in the same sets.

    :param received_ns: when each came in, nanoseconds since 1970.
    :param walk: walks one datagram.
    :param counted: is told how many records each datagram holds.
    :return: what they hold, and why those that are missing in it could not be walked.
    """
    groups = list(_groups(datagrams)) if len(datagrams) >= LEAST else []
    alone = np.ones(len(datagrams), np.bool_)
    for group in groups:
        alone[group.positions] = False
    batch = _Batch(datagrams, templates, received_ns, walk, counted)
    done = 0
    for position in [*np.flatnonzero(alone).tolist(), len(datagrams)]:
        if position > done:
            batch.blocks(groups, done, position)
        if position < len(datagrams):
            batch.one(position)
        done = position + 1
    return batch.walks, batch.problems


class _Batch:
    """A batch on its way to walks and problems."""

    def __init__(
        self,
        datagrams: Sequence[bytes],
        templates: TemplateCache,
        received_ns: Sequence[int],
        walk: WalkOne,
        counted: Counted | None,
    ) -> None:
        self._datagrams = datagrams
        self._templates = templates
        self._received_ns = received_ns
        self._times = np.array(received_ns, np.int64)
        self._walk = walk
        self._counted = counted
        self.walks: list[Walk] = []
        self.problems: list[MalformedInput] = []

    def one(self, position: int) -> None:
        """Walk one datagram by itself."""
        try:
            walked = self._walk(self._datagrams[position], self._templates, self._received_ns[position])
        except MalformedInput as problem:
            self.problems.append(problem)
            return
        self.walks.append(walked)
        if self._counted is not None:
            self._counted.one(position, walked)

    def blocks(self, groups: Sequence[Group], first: int, last: int) -> None:
        """Walk the datagrams from ``first`` up to ``last``, all of which belong to groups."""
        for group in groups:
            low, high = np.searchsorted(group.positions, (first, last)).tolist()
            if low == high:
                continue
            walked = group.block(slice(low, high), self._templates, self._times)
            if walked is not None:
                self.walks.append(walked)
                if self._counted is not None:
                    self._counted.flows[group.positions[low:high]] = walked.records // (high - low)
                continue
            for position in group.positions[low:high].tolist():
                self.one(position)
