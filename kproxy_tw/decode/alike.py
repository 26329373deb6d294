"""Export packets that are alike: groups of them in a batch, and the walk of such a group in NumPy.

A busy exporter sends packets of one size that hold one set of records of one template, thousands a second; in one of
each twenty it may repeat the template in front of the records, as NetFlow v9 routers do. Walking each of them in Python
costs more than decoding all of them; so those that are alike are walked in one step: their headers as columns, their
records as one block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.joined import Heads, JoinedDatagrams, Positions
from kproxy_tw.decode.records import PacketClock, RecordSet, Walk
from kproxy_tw.decode.spans import cut
from kproxy_tw.decode.templated import SET_HEADER_LENGTH
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.specifiers import FIRST_TEMPLATE_ID
from kproxy_tw.decode.templates.table import Template
from kproxy_tw.reader import trusted_unpacker

LEAST = 8
"""Fewer packets than this are walked one by one: NumPy's fixed costs would not pay."""


@attrs.frozen(eq=False)
class Header:
    """A protocol's packet header with the first set's header behind it.

    :ivar template_set: set id of templates.
    :ivar layout: fields ``seconds`` and, at the end, ``where``: domain, set id and set length in one number; ``uptime``
        in NetFlow v9, ``length`` (of the whole message) in IPFIX.
    """

    version: int
    flow_type: str
    template_set: int
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

_SET_HEADER = trusted_unpacker("HH")

HEADERS = {
    9: Header(
        9,
        "netflow9",
        0,
        np.dtype(
            [("version", ">u2"), ("count", ">u2"), ("uptime", ">u4"), ("seconds", ">u4"), ("sequence", ">u4"), _WHERE]
        ),
    ),
    10: Header(
        10,
        "ipfix",
        2,
        np.dtype([("version", ">u2"), ("length", ">u2"), ("seconds", ">u4"), ("sequence", ">u4"), _WHERE]),
    ),
}
"""By version word: RFC 3954 section 5.1; RFC 7011 section 3.1."""


MOST_KINDS = 8
"""Among export packets that look alike there are no more kinds than this: some templates, and the packets in which an
exporter repeats them."""


_WHERE_IN = {
    version.to_bytes(2, "big"): slice(header.length - DOMAIN_LENGTH, header.layout.itemsize)
    for version, header in HEADERS.items()
}
"""By version word: where domain, set id and set length stand."""


def look_alike(datagrams: Iterable[bytes]) -> bool:
    """Whether a few packets suggest that nearly all of their exporter's can be walked in groups, at a glance.

    Those of a group have size, domain and set in common; of protocols without templates, the version is enough.
    """
    kinds = {
        (data[:2], len(data), data[_WHERE_IN[data[:2]]]) if data[:2] in _WHERE_IN else data[:2] for data in datagrams
    }
    return len(kinds) <= MOST_KINDS


@attrs.frozen(eq=False)
class Group:
    """Packets of one size with one data set of one template each.

    :ivar positions: where they stand in the batch, ascending.
    :ivar size: bytes of each.
    :ivar heads: their headers, one each.
    :ivar led: bytes of the set of templates that each of them repeats before its data set; 0 for none.
    """

    header: Header
    domain: int
    template_id: int
    positions: Positions
    size: int
    heads: npt.NDArray[np.void]
    led: int = 0

    @property
    def first(self) -> int:
        """Where the records begin in each packet."""
        return self.header.layout.itemsize + self.led

    def template(self, templates: TemplateCache) -> Template | None:
        """Their template as it is now, if it is one of plain flows that fit into the packets."""
        found = templates.find(self.header.version, self.domain, self.template_id)
        room = self.size - self.first
        return found if found is not None and 0 < found.flow_length <= room else None

    def is_padded(self, template: Template, joined: JoinedDatagrams) -> bool:
        """Whether packets end with records that are all zeros, and may hold more records than their header counts.

        :param joined: the whole batch.
        """
        if self.header.version != 9:
            return False
        size = template.flow_length
        each = (self.size - self.first) // size
        # A header counts the templates, too, and nobody has counted these here.
        few = self.positions[(self.heads["count"] < each) | (self.led > 0)]
        last = joined.starts[few] + (self.first + (each - 1) * size)
        records = cut(np.frombuffer(joined.data, np.uint8), last, np.dtype((np.void, size)))
        return not records.view(np.uint8).reshape(-1, size).any(axis=1).all()

    def block(self, rows: slice, template: Template, joined: JoinedDatagrams) -> Walk:
        """Walk some of them.

        :param rows: which ones, of ``positions``.
        :param joined: the whole batch.
        """
        heads, positions, first = self.heads[rows], self.positions[rows], self.first
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


def groups_in(datagrams: Sequence[bytes], joined: JoinedDatagrams) -> Iterator[Group]:
    """The groups of a batch; no packet is in two. :param joined: the same datagrams."""
    if len(joined) < LEAST:
        return
    versions = joined.heads[:, :2].copy().view(">u2")[:, 0]
    for version in _values(versions):
        if version in HEADERS:
            yield from _of_version(HEADERS[version], versions == version, datagrams, joined)


def _of_version(
    header: Header, whole: npt.NDArray[np.bool_], datagrams: Sequence[bytes], joined: JoinedDatagrams
) -> Iterator[Group]:
    """Groups among the datagrams that ``whole`` says are of one version."""
    heads = header.of(joined.heads)
    where = heads["where"].astype(np.int64)
    if header.version == 10:
        whole &= heads["length"] == joined.sizes
    ids = where >> 16 & 0xFFFF
    fits = whole & ((where & 0xFFFF) + header.length == joined.sizes) & (ids >= FIRST_TEMPLATE_ID)
    for key in _values(where[fits]):
        positions = np.flatnonzero(fits & (where == key))
        if len(positions) >= LEAST:
            size = (key & 0xFFFF) + header.length
            yield Group(header, key >> 32 & 0xFFFFFFFF, key >> 16 & 0xFFFF, positions, size, heads[positions])
    repeating = np.flatnonzero(whole & (ids == header.template_set) & (joined.sizes > header.layout.itemsize))
    if len(repeating) > LEAST:
        yield from _led(header, repeating.tolist(), datagrams, heads)


def _led(
    header: Header, repeating: Iterable[int], datagrams: Sequence[bytes], heads: npt.NDArray[np.void]
) -> Iterator[Group]:
    """Groups that repeat the same set of templates before their data set; the first packet of each is left out."""
    found: dict[tuple[int, int, bytes], list[int]] = {}
    for position in repeating:
        data = datagrams[position]
        _id, led = _SET_HEADER(data, header.length)
        until = header.length + led + SET_HEADER_LENGTH
        found.setdefault((len(data), led, data[header.length - DOMAIN_LENGTH : until]), []).append(position)
    for (size, led, same), positions in found.items():
        behind = np.array(positions[1:], np.intp)
        template_id, length = _SET_HEADER(same, len(same) - SET_HEADER_LENGTH)
        is_whole = led >= SET_HEADER_LENGTH and header.length + led + length == size
        if is_whole and template_id >= FIRST_TEMPLATE_ID and len(behind) >= LEAST:
            domain = int.from_bytes(same[:DOMAIN_LENGTH])
            yield Group(header, domain, template_id, behind, size, heads[behind], led)


def _values(numbers: npt.NDArray[np.integer[Any]]) -> list[int]:
    """The different ones, ascending. (np.unique would import numpy.ma, a tenth of a second.)"""
    if not len(numbers):
        return []
    low, high = int(numbers.min()), int(numbers.max())
    return [low] if low == high else sorted(set(numbers.tolist()))
