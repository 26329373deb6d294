"""Information elements as data: what each number in a template means and which column it fills.

NetFlow v9 field types (RFC 3954 section 8) and IPFIX information elements (IANA registry "IPFIX Information
Elements", RFC 7012) share their numbers. The tables in ``decode/tables`` are the one place that knows them, one file
for IANA and one for each vendor, with the columns

``pen``, ``id``
    enterprise number (0: IANA, and what vendors send as NetFlow v9 field types of their own) and element number;
``name``
    IANA's or the vendor's spelling;
``kind``
    a :class:`Kind`: what its bytes are;
``target``
    a column of :mod:`kproxy_tw.flowbatch`, a value that :mod:`kproxy_tw.decode.derive` turns into columns, one of
    these with ``reverse.`` in front, ``custom.`` and the common name of a custom column, or empty: a name only;
``rank``
    where a template has several elements with one target, the one with the lowest rank fills it.

The elements of the other direction of a biflow (RFC 5103) are made from IANA's.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib.resources import files
from types import MappingProxyType

import attrs

VARIABLE = 65535
"""The length in a template that says: each record tells the length itself (RFC 7011 section 7)."""

IANA = 0
"""The private enterprise number that stands for "no enterprise"."""

REVERSE = 29305
"""The enterprise number of elements that describe the other direction of a biflow (RFC 5103 section 6.1)."""

FIRST_VENDOR_FIELD = 32768
"""From here on, numbers without enterprise are not IANA's but NetFlow v9 field types of vendors."""

CUSTOM = "custom."
REVERSED = "reverse."
"""What targets begin with; see the module docstring."""

LAST_RANK = 999
"""Of an element whose table tells none."""


class Kind(StrEnum):
    """What the bytes of an element are, and so how they become a column."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    FLOAT = "float"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    MAC = "mac"
    DSCP = "dscp"
    LABEL = "label"
    STATUS = "status"
    EXCEPTION = "exception"
    SEGMENT = "segment"
    TAG = "tag"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"
    NANOSECONDS = "nanoseconds"
    UPTIME = "uptime"
    DELTA = "delta"
    TEXT = "text"
    OPAQUE = "opaque"
    LIST = "list"


ADDRESS_LENGTHS: Mapping[Kind, frozenset[int]] = MappingProxyType(
    {Kind.IPV4: frozenset({4}), Kind.IPV6: frozenset({16}), Kind.MAC: frozenset({6})}
)
"""Lengths in bytes that a template may give to an address: never another one."""

NUMBER_LENGTHS: Mapping[Kind, frozenset[int]] = MappingProxyType(
    {
        Kind.UNSIGNED: frozenset(range(1, 9)),
        Kind.DSCP: frozenset({1}),
        Kind.SECONDS: frozenset({4, 8}),
        Kind.MILLISECONDS: frozenset({8}),
        Kind.MICROSECONDS: frozenset({8}),
        Kind.NANOSECONDS: frozenset({8}),
        Kind.UPTIME: frozenset({4, 8}),
        Kind.DELTA: frozenset(range(1, 9)),
    }
)
"""The same for numbers that fill a column; they may be shorter or longer than their definition (RFC 7011 section 6.2,
RFC 3954 section 8). A kind that is in neither table may have any length."""


@attrs.frozen(slots=True)
class Element:
    """One information element.

    :ivar name: the IANA name in its own spelling; ``reverse`` in front for the other direction of a biflow.
    :ivar kind: what its bytes are.
    :ivar target: what it fills, see the module docstring; empty when it has a name only.
    :ivar rank: of several elements with one target the lowest rank wins.
    :ivar lengths: the lengths that a template may give it; ``None`` for any.
    """

    name: str
    kind: Kind
    target: str
    rank: int
    lengths: frozenset[int] | None = None

    def allows(self, length: int) -> bool:
        """Whether a template may give it ``length`` bytes.

        0 is allowed: some exporters fill templates up so.
        """
        return self.lengths is None or length == 0 or length in self.lengths


def _lengths(kind: Kind, target: str) -> frozenset[int] | None:
    """Strict where a wrong length would make a wrong column; lax with what is only a name or a custom column."""
    if not target or target.startswith(CUSTOM):
        return None
    return ADDRESS_LENGTHS.get(kind) or NUMBER_LENGTHS.get(kind)


def _table(text: str) -> Iterator[tuple[tuple[int, int], Element]]:
    """The elements of one file. :raises ValueError: a row breaks the rules of the module docstring."""
    for row in csv.DictReader(text.splitlines(), strict=True):
        pen, number, kind, target = int(row["pen"]), int(row["id"]), Kind(row["kind"]), row["target"]
        lengths = _lengths(kind, target)
        yield (pen, number), Element(row["name"], kind, target, int(row["rank"] or LAST_RANK), lengths)


REVERSIBLE = frozenset(
    {"in_bytes", "in_pkts", "out_bytes", "out_pkts", "tcp_flags", "tos", "input_port", "output_port"}
    | {"vlan_in", "vlan_out"}
)
"""Targets that may have another value in the other direction."""


def _reverse(element: Element) -> Element:
    target = REVERSED + element.target if element.target in REVERSIBLE else ""
    name = f"reverse{element.name[0].upper()}{element.name[1:]}"
    return Element(name, element.kind, target, element.rank, element.lengths if target else None)


def load_elements() -> dict[tuple[int, int], Element]:
    """Every element of all tables, by enterprise and number. :raises ValueError: a table is not as it should be."""
    found: dict[tuple[int, int], Element] = {}
    tables = files("kproxy_tw.decode").joinpath("tables")
    for table in sorted(tables.iterdir(), key=lambda path: path.name):
        for key, element in _table(table.read_text(encoding="utf-8")):
            if key in found:
                raise ValueError(f"{table.name}: element {key[1]} of enterprise {key[0]} stands in the tables twice")
            found[key] = element
    iana = [(number, element) for (pen, number), element in found.items() if pen == IANA]
    found.update(((REVERSE, number), _reverse(element)) for number, element in iana if number < FIRST_VENDOR_FIELD)
    return found


ELEMENTS: Mapping[tuple[int, int], Element] = MappingProxyType(load_elements())
"""(enterprise, number) to element."""

V9_SCOPES: Mapping[int, str] = MappingProxyType(
    {1: "System", 2: "Interface", 3: "Line Card", 4: "Cache", 5: "Template"}
)
"""NetFlow v9 scope field types (RFC 3954 section 6.1)."""


def element_name(pen: int, number: int) -> str:
    """The name of an element, or empty when the table does not have it."""
    found = ELEMENTS.get((pen, number))
    return found.name if found is not None else ""
