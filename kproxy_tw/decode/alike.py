"""Export packets that are alike, walked together in NumPy.

A busy exporter sends packets of one size that hold one set of records of one template, thousands a second. Walking each
of them in Python costs more than decoding all of them; so packets of a batch that are alike are walked in one step:
their headers as columns, their records as one block. Everything else (templates, several sets, other sizes) is walked
packet by packet, and in its place: a template holds for what came after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.joined import Heads, JoinedDatagrams, Positions
from kproxy_tw.decode.records import PacketClock, RecordSet, Walk
from kproxy_tw.decode.sequences.book import Counted
from kproxy_tw.decode.templated import SET_HEADER_LENGTH
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.specifiers import FIRST_TEMPLATE_ID
from kproxy_tw.decode.templates.table import Template
from kproxy_tw.errors import MalformedInput

LEAST = 8
"""Fewer packets than this are walked one by one: NumPy's fixed costs would not pay."""

WalkOne = Callable[[bytes, TemplateCache, int], Walk]


@attrs.frozen(eq=False)
class Header:
    """A protocol's packet header with the first set's header behind it.

    :ivar layout: fields ``seconds`` and, at the end, ``where``: domain, set id and set length in one number; ``uptime``
        in NetFlow v9, ``length`` (of the whole message) in IPFIX.
    """

    version: int
    flow_type: str
    layout: np.dtype[np.void]

    @property
    def length(self) -> int:
        """Bytes in front of the first set."""
        return self.layout.itemsize - SET_HEADER_LENGTH

    def of(self, heads: Heads) -> npt.NDArray[np.void]:
        """The heads of datagrams, read as this header."""
        return heads[:, : self.layout.itemsize].view(self.layout)[:, 0]


_WHERE = ("where", ">u8")
"""Domain, set id, set length."""

DOMAIN_LENGTH = 4

HEADERS = {
    9: Header(
        9,
        "netflow9",
        np.dtype(
            [("version", ">u2"), ("count", ">u2"), ("uptime", ">u4"), ("seconds", ">u4"), ("sequence", ">u4"), _WHERE]
        ),
    ),
    10: Header(
        10,
        "ipfix",
        np.dtype([("version", ">u2"), ("length", ">u2"), ("seconds", ">u4"), ("sequence", ">u4"), _WHERE]),
    ),
}
"""By version word: RFC 3954 section 5.1; RFC 7011 section 3.1."""


MOST_KINDS = 8
"""Among export packets that look alike there are no more kinds than this: some templates, and the packets in which an
exporter repeats them."""


def look_alike(datagrams: Iterable[bytes]) -> bool:
    """Whether a few packets suggest that nearly all of their exporter's can be walked in groups, at a glance."""
    return len(set(map(_kind, datagrams))) <= MOST_KINDS


def _kind(data: bytes) -> tuple[bytes, int, bytes]:
    """What packets of a group have in common; of protocols without templates, the version."""
    version = data[:2]
    header = HEADERS.get(int.from_bytes(version))
    if header is None:
        return version, 0, b""
    return version, len(data), data[header.length - DOMAIN_LENGTH : header.length + SET_HEADER_LENGTH]


@attrs.frozen(eq=False)
class Group:
    """Packets of one size with one data set of one template each.

    :ivar positions: where they stand in the batch, ascending.
    :ivar size: bytes of each.
    :ivar heads: their headers, one each.
    """

    header: Header
    domain: int
    template_id: int
    positions: Positions
    size: int
    heads: npt.NDArray[np.void]

    def template(self, templates: TemplateCache) -> Template | None:
        """Their template as it is now, if it is one of plain flows that fit into the packets."""
        found = templates.find(self.header.version, self.domain, self.template_id)
        room = self.size - self.header.layout.itemsize
        return found if found is not None and 0 < found.flow_length <= room else None

    def is_padded(self, template: Template, datagrams: Sequence[bytes]) -> bool:
        """Whether packets end with records that are all zeros, and hold more records than their header counts."""
        if self.header.version != 9:
            return False
        first, size = self.header.layout.itemsize, template.flow_length
        each = (self.size - first) // size
        few = self.positions[self.heads["count"] < each].tolist()
        last = slice(first + (each - 1) * size, first + each * size)
        return any(not any(datagrams[position][last]) for position in few)

    def block(self, rows: slice, template: Template, joined: JoinedDatagrams) -> Walk:
        """Walk some of them.

        :param rows: which ones, of ``positions``.
        :param joined: the whole batch.
        """
        heads, positions = self.heads[rows], self.positions[rows]
        first = self.header.layout.itemsize
        each = (self.size - first) // template.flow_length
        inside = np.arange(first, first + each * template.flow_length, template.flow_length, dtype=np.int32)
        starts: npt.NDArray[np.int32] = joined.starts[positions].astype(np.int32)[:, None] + inside
        uptime = heads["uptime"] if self.header.version == 9 else np.zeros(len(heads))
        export_ms = heads["seconds"].astype(np.int64) * 1000
        clock = PacketClock(export_ms, uptime.astype(np.int64), joined.received_ns[positions])
        count = each * len(heads)
        records_of = RecordSet(
            template.layout,
            count,
            joined.data,
            clock,
            starts.reshape(-1),
            datagrams=len(heads),
            domain=template.domain,
        )
        return Walk(self.header.flow_type, [records_of], count)


def _groups(joined: JoinedDatagrams) -> Iterator[Group]:
    versions = joined.heads[:, :2].copy().view(">u2")[:, 0]
    for version in _values(versions):
        if version in HEADERS:
            yield from _of_version(HEADERS[version], versions == version, joined)


def _of_version(header: Header, fits: npt.NDArray[np.bool_], joined: JoinedDatagrams) -> Iterator[Group]:
    """Groups among the datagrams that ``fits`` says are of one version."""
    heads = header.of(joined.heads)
    where = heads["where"].astype(np.int64)
    fits &= (where & 0xFFFF) + header.length == joined.sizes
    fits &= (where >> 16 & 0xFFFF) >= FIRST_TEMPLATE_ID
    if header.version == 10:
        fits &= heads["length"] == joined.sizes
    for key in _values(where[fits]):
        positions = np.flatnonzero(fits & (where == key))
        if len(positions) >= LEAST:
            size = (key & 0xFFFF) + header.length
            yield Group(header, key >> 32 & 0xFFFFFFFF, key >> 16 & 0xFFFF, positions, size, heads[positions])


def _values(numbers: npt.NDArray[np.integer[Any]]) -> list[int]:
    """The different ones, ascending. (np.unique would import numpy.ma, a tenth of a second.)"""
    if not len(numbers):
        return []
    low, high = int(numbers.min()), int(numbers.max())
    return [low] if low == high else sorted(set(numbers.tolist()))


def walk_batch(
    datagrams: Sequence[bytes],
    joined: JoinedDatagrams,
    templates: TemplateCache,
    walk: WalkOne,
    counted: Counted | None = None,
) -> tuple[list[Walk], list[MalformedInput]]:
    """Walk datagrams of one exporter; the same records as one by one, though not in the same sets.

    :param joined: the same datagrams.
    :param walk: walks one datagram.
    :param counted: is told how many records each datagram holds.
    :return: what they hold, and why those that are missing in it could not be walked.
    """
    groups = list(_groups(joined)) if len(datagrams) >= LEAST else []
    alone = np.ones(len(datagrams), np.bool_)
    for group in groups:
        alone[group.positions] = False
    batch = _Batch(datagrams, joined, groups, templates, walk, counted)
    for position in np.flatnonzero(alone).tolist():
        batch.walk_alone(position)
    batch.walk_groups(len(datagrams))
    return batch.walks, batch.problems


class _Batch:
    """A batch on its way to walks and problems.

    The packets of a group are walked as late as they can be: when their template changes, or at the end. (Exporters
    repeat their templates every few packets, mostly unchanged.)
    """

    def __init__(
        self,
        datagrams: Sequence[bytes],
        joined: JoinedDatagrams,
        groups: Sequence[Group],
        templates: TemplateCache,
        walk: WalkOne,
        counted: Counted | None,
    ) -> None:
        self._datagrams = datagrams
        self._joined = joined
        self._templates = templates
        self._walk = walk
        self._counted = counted
        self._groups = [(group, group.template(templates)) for group in groups]
        self._done = 0
        self.walks: list[Walk] = []
        self.problems: list[MalformedInput] = []

    def walk_alone(self, position: int) -> None:
        """Walk a datagram that belongs to no group; the templates in it hold for those behind it."""
        if any(template is None for _group, template in self._groups):
            self.walk_groups(position)
        changes = self._templates.changes
        self._one(position)
        if self._templates.changes == changes:
            return
        now = [(group, group.template(self._templates)) for group, _template in self._groups]
        if any(new is not old for (_, new), (_, old) in zip(now, self._groups, strict=True)):
            self.walk_groups(position)
            self._groups = now

    def walk_groups(self, end: int) -> None:
        """Walk the packets of groups that stand before ``end`` and are not walked yet."""
        for group, template in self._groups:
            low, high = np.searchsorted(group.positions, (self._done, end)).tolist()
            if low == high:
                continue
            if template is not None and not group.is_padded(template, self._datagrams):
                walked = group.block(slice(low, high), template, self._joined)
                self.walks.append(walked)
                if self._counted is not None:
                    self._counted.flows[group.positions[low:high]] = walked.records // (high - low)
                continue
            for position in group.positions[low:high].tolist():
                self._one(position)
        self._done = end

    def _one(self, position: int) -> None:
        try:
            received_ns = int(self._joined.received_ns[position])
            walked = self._walk(self._datagrams[position], self._templates, received_ns)
        except MalformedInput as problem:
            self.problems.append(problem)
            return
        self.walks.append(walked)
        if self._counted is not None:
            self._counted.one(position, walked)
