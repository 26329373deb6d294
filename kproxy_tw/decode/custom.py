"""Custom columns: values that kflow has no field for, sent where the device has a column of that name.

A device's columns come from the API by name, and people spell names differently; so names are compared *folded*
(:func:`folded`). A field of a record is wanted when the device has a column named

* as the element, in IANA's or the vendor's spelling (``postNATSourceIPv4Address``, ``HTTP_HOST``),
* by the common name that the element table gives to elements of several vendors (``post_nat_src_addr``,
  ``application_name``), or
* ``ie<id>`` or ``ie<enterprise>_<id>``, which reaches every element, also those that no table knows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

import attrs
import numpy as np

from kproxy_tw.decode.columntypes import typed
from kproxy_tw.decode.elements import CUSTOM, ELEMENTS, IANA, Element, Kind
from kproxy_tw.decode.rows import WIDEST_NUMBER, Place, Rows, Run
from kproxy_tw.decode.spans import Octets
from kproxy_tw.flowbatch import Column

MAX_TEXT = 384
"""Bytes of a text that are sent; readers of the format take no more."""

ADDRESS_BYTES = 17
"""A family (4 or 6) and 16 bytes for the address."""

SMALL = 4
"""Numbers of up to so many bytes are sent in 32 bits, others in 64."""

PROPERTY_LENGTHS = (2, 4)
"""Bytes of Juniper's common property."""

FORWARDED, DROPPED = 64, 128
"""forwardingStatus without a reason (RFC 7270 section 4.12)."""

_BY_NUMBER = re.compile(r"ie(\d+_)?\d+")
_PUNCTUATION = str.maketrans("", "", "_-. ")
_HEX = np.frombuffer("".join(f"{octet:02x}" for octet in range(256)).encode(), np.uint8).reshape(256, 2)


def folded(name: str) -> str:
    """A name as names are compared: lower case, without ``_``, ``-``, ``.`` and spaces."""
    lower = name.lower()
    return lower if _BY_NUMBER.fullmatch(lower) else lower.translate(_PUNCTUATION)


def wanted_names(column_ids: Iterable[str]) -> frozenset[str]:
    """The folded names of a device's custom columns."""
    return frozenset(map(folded, column_ids))


def fitted(
    custom: Mapping[str, Column], column_ids: Iterable[str], types: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Column]:
    """Columns under the device's own names and in its types; those that it does not have are left out.

    Of columns that are one but for the spelling, the later ones stand in where the first is empty.

    :param types: see :mod:`~kproxy_tw.decode.columntypes`; by the device's names.
    """
    if not custom:
        return {}
    found: dict[str, Column] = {}
    for name, column in custom.items():
        key = folded(name)
        found[key] = _filled(found[key], column) if key in found else column
    of_device = {name: found[key] for name in column_ids if (key := folded(name)) in found}
    fitting = ((name, typed(column, types.get(name, ""))) for name, column in of_device.items())
    return {name: column for name, column in fitting if column is not None}


def field_names(pen: int, number: int) -> frozenset[str]:
    """Every folded name under which a device may ask for an element."""
    names = {f"ie{pen}_{number}", f"ie{number}"} if pen == IANA else {f"ie{pen}_{number}"}
    element = ELEMENTS.get((pen, number))
    if element is not None:
        names.add(element.name)
        names.add(element.target.removeprefix(CUSTOM))
    return frozenset(folded(name) for name in names if name)


@attrs.frozen(slots=True)
class Wish:
    """A custom column and where it is read: the first place that is not empty counts."""

    name: str
    places: tuple[tuple[Kind, Place], ...]

    def read(self, rows: Rows) -> Column | None:
        """Its values, ``None`` when the field cannot be a value."""
        result: Column | None = None
        for kind, place in self.places:
            column = read_custom(kind, rows.run(place), place)
            if column is None:
                continue
            result = column if result is None else _filled(result, column)
        return result


def wishes(fields: Iterable[tuple[int, int, Place]], wanted: Collection[str]) -> tuple[Wish, ...]:
    """What to read for a device that has custom columns of these (folded) names.

    :param fields: enterprise, number and place of each field of the template.
    """
    found: dict[str, list[tuple[int, Kind, Place]]] = {}
    asked = frozenset(wanted)
    for pen, number, place in fields:
        element = ELEMENTS.get((pen, number), _UNKNOWN)
        for name in sorted(field_names(pen, number) & asked):
            found.setdefault(name, []).append((element.rank, element.kind, place))
    return tuple(
        Wish(name, tuple((kind, place) for _, kind, place in sorted(places, key=lambda entry: entry[0])))
        for name, places in found.items()
    )


_UNKNOWN = Element("", Kind.OPAQUE, "", 0)


def read_custom(kind: Kind, run: Run, place: Place) -> Column | None:
    """The bytes of a field as a custom column; ``None`` when it is a list or takes no room."""
    if kind is Kind.LIST or (place.variable < 0 and not place.length):
        return None
    if kind in (Kind.IPV4, Kind.IPV6):
        return _addresses(kind, run)
    if kind is Kind.TEXT:
        return _texts(run)
    if kind is Kind.OPAQUE:
        return _hexadecimal(run)
    if kind is Kind.FLOAT:
        return _floats(run, place.length) if place.length in (SMALL, WIDEST_NUMBER) else None
    return _numbers(kind, run, place)


def _numbers(kind: Kind, run: Run, place: Place) -> Column:
    numbers = run.numbers()
    if kind is Kind.LABEL:
        return (numbers >> np.uint64(4)).astype(np.uint32)
    if kind is Kind.SEGMENT:
        return (numbers & np.uint64(0xFFFFFF)).astype(np.uint32)
    if kind is Kind.STATUS:
        return _status(numbers, place.length)
    if kind is Kind.EXCEPTION:
        return _exception(numbers, place.length)
    return numbers.astype(np.uint32) if 0 < place.length <= SMALL else numbers


def _status(numbers: Column, length: int) -> Column:
    """forwardingStatus has 8 bits; exporters that send 2 or 4 bytes put them at either end (RFC 7270 section 4.12)."""
    high = numbers >> np.uint64(8 * min(max(1, length), WIDEST_NUMBER) - 8)
    return np.where(numbers & np.uint64(0xFF), numbers, high).astype(np.uint8)


def _exception(numbers: Column, length: int) -> Column:
    """Juniper's common property: 6 bits tell which, and property 2 is the exception for which a packet was dropped.

    That becomes a forwardingStatus, which these routers do not send.
    """
    if length not in PROPERTY_LENGTHS:
        return np.zeros(len(numbers), np.uint8)
    shift = np.uint64(8 * length - 6)
    code = numbers & np.uint64((1 << int(shift)) - 1)
    return np.where(numbers >> shift == 2, np.where(code, DROPPED, FORWARDED), 0).astype(np.uint8)


def _floats(run: Run, length: int) -> Column:
    numbers = run.numbers()
    if length == SMALL:
        return numbers.astype(np.uint32).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        return numbers.view(np.float64).astype(np.float32)


def _addresses(kind: Kind, run: Run) -> Octets:
    size, family = (4, 4) if kind is Kind.IPV4 else (16, 6)
    raw = run.padded(size)
    found = np.zeros((len(raw), ADDRESS_BYTES), np.uint8)
    found[:, 1 : 1 + raw.shape[1]] = raw
    found[:, 0] = np.where(raw.any(axis=1) & (run.sizes == size), family, 0)
    found[found[:, 0] == 0] = 0
    return found


def _texts(run: Run) -> Column:
    """Up to the first NUL; bytes that are no UTF-8 are replaced."""
    raw = run.padded(MAX_TEXT)
    raw[np.logical_or.accumulate(raw == 0, axis=1)] = 0
    texts: Column = raw.view(f"S{raw.shape[1]}")[:, 0]
    for row in np.flatnonzero((raw >= 0x80).any(axis=1)).tolist():
        whole = texts[row].decode("utf-8", "replace").replace("\N{REPLACEMENT CHARACTER}", "?")
        texts[row] = whole.encode()
    return texts


def _hexadecimal(run: Run) -> Column:
    raw = run.padded(MAX_TEXT // 2)
    digits = _HEX[raw]
    digits[np.arange(raw.shape[1]) >= run.sizes[:, np.newaxis]] = 0
    return np.ascontiguousarray(digits).reshape(len(raw), -1).view(f"S{2 * raw.shape[1]}")[:, 0]


def _filled(values: Column, spare: Column) -> Column:
    """``values``, and ``spare`` where they are empty; ``values`` alone where the two are not of one kind."""
    if values.ndim != spare.ndim or (values.dtype.kind == "S") != (spare.dtype.kind == "S"):
        return values
    if values.ndim == 2:
        return np.where(values.any(axis=1, keepdims=True), values, spare)
    return np.where(values == (b"" if values.dtype.kind == "S" else 0), spare, values)
