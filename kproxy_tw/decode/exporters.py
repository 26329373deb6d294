"""Records that name the device that they are of: exporterIPv4Address and exporterIPv6Address (IANA 130 and 131).

Mediators, probes and stacked switches send for others. When the named address belongs to a registered device, the
records count as that device's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

import attrs
import numpy as np

from kproxy_tw.decode.elements import ELEMENTS
from kproxy_tw.decode.plan import EXPORTERS
from kproxy_tw.decode.records import RecordSet
from kproxy_tw.decode.rows import Place, Rows

MAX_EXPORTERS = 64
"""Devices that one set may name; the records of the others stay with the sender."""


def exporter_places(fields: Iterable[tuple[int, int, Place]]) -> tuple[Place, ...]:
    """Where fixed-length fields (enterprise, number, place) name the exporter."""
    return tuple(
        place
        for pen, number, place in fields
        if place.length and (element := ELEMENTS.get((pen, number))) is not None and element.target in EXPORTERS
    )


def by_exporter(records: RecordSet, rows: Rows, exporters: Iterable[Place]) -> Iterator[RecordSet]:
    """The records of each exporter that they name, as sets with ``exporter`` filled; those that name none as they are.

    :param rows: of all records in the set.
    """
    named: dict[bytes, list[int]] = {}
    for index, packed in enumerate(_named(rows, exporters)):
        key = packed if packed in named or len(named) < MAX_EXPORTERS else b""
        named.setdefault(key, []).append(index)
    for packed, chosen in named.items():
        part = records if len(chosen) == records.count else _part(records, chosen)
        yield attrs.evolve(part, exporter=str(ip_address(packed)) if packed else "")


def _named(rows: Rows, exporters: Iterable[Place]) -> list[bytes]:
    """The first address in each record that is not zero."""
    found = [b""] * len(rows)
    for place in exporters:
        column = rows.matrix[:, place.offset : place.offset + place.length].tobytes()
        parts = (column[start : start + place.length] for start in range(0, len(column), place.length))
        found = [known or (part if any(part) else b"") for known, part in zip(found, parts, strict=True)]
    return found


def _part(records: RecordSet, chosen: list[int]) -> RecordSet:
    """Some of the records, in their order."""
    if isinstance(records.starts, tuple):
        size = len(records.body) // records.count
        parts = [records.body[index * size : (index + 1) * size] for index in chosen]
        return attrs.evolve(records, body=b"".join(parts), count=len(chosen))
    ends = (*records.starts[1:], len(records.body))
    parts = [records.body[int(records.starts[index]) : int(ends[index])] for index in chosen]
    starts = np.cumsum([0, *map(len, parts)])[:-1].astype(records.starts.dtype)
    return attrs.evolve(records, body=b"".join(parts), count=len(chosen), starts=starts)
