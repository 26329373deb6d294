"""What to read from a record: the fields that fill a column, compiled once per template.

A :class:`Plan` is a structured dtype over the fixed-length part of the record and one step per field that is wanted,
so that decoding *n* records costs one NumPy operation per field, whatever *n* is. Fields of variable length and
captured packets are read as runs of bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from kproxy_tw.decode.clock import Clocks
from kproxy_tw.decode.elements import ADDRESS_LENGTHS, CUSTOM, ELEMENTS, REVERSED, VARIABLE, Element, Kind
from kproxy_tw.decode.rows import WIDEST_NUMBER, Place, Rows, Run
from kproxy_tw.flowbatch import NUMBERS, Column

Values = dict[str, Column]
"""Targets of :mod:`~kproxy_tw.decode.elements` to arrays of one value (IPv6 addresses: 16 bytes) a record."""

FIRST_ONLY = frozenset(
    {"in_bytes", "in_pkts", "out_bytes", "out_pkts", "time", "start_time", "boot_time"}
    | {"initiator_bytes", "initiator_pkts", "responder_bytes", "responder_pkts"}
    | {f"{REVERSED}in_bytes", f"{REVERSED}in_pkts"}
    | {"sampling_interval", "sampling_packets", "sampling_space"}
)
"""Targets for which only the first element counts; for the others later elements stand in where it is zero."""

TIMES = ("time", "start_time")
"""Targets that become nanoseconds since 1970. The second is wanted only where the first is not there."""

NEEDLESS = ("start_time", "duration_ms", "duration_us")
"""Targets that are not read where there is a ``time``."""

PACKETS = ("frame", "ip_header")
"""Targets that are captured packets; :mod:`~kproxy_tw.decode.sections` reads them."""

EXPORTERS = ("exporter4", "exporter6")
"""Targets that say which device a record is of; the walk reads them."""

TWO_WAY = frozenset({"responder_bytes", "responder_pkts", f"{REVERSED}in_bytes", f"{REVERSED}in_pkts"})
"""Targets that make two flows of one record."""

BLOCK = 8192
"""Records whose fields are copied one field after the other: so many stay in the processor's cache meanwhile."""

_WIDE = np.dtype(np.uint64)
_NATIVE_SIZES = (1, 2, 4, 8)


@attrs.frozen(slots=True)
class KnownField:
    """A field of a template that the table knows.

    :ivar pen, number: which element it is.
    """

    pen: int
    number: int
    element: Element
    place: Place


@attrs.frozen(slots=True)
class Step:
    """Read one field: ``target`` and ``kind`` of its element, and where it stands."""

    target: str
    kind: Kind
    place: Place

    @property
    def code(self) -> str:
        """The dtype of the field: a big-endian number, or bytes where no number has that size."""
        if self.place.length in _NATIVE_SIZES and self.kind is not Kind.IPV6:
            return f">u{self.place.length}"
        return f"({self.place.length},)u1"

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """That of the target's column, 64 bits where it is none; bytes of IPv6 addresses."""
        if self.kind is Kind.IPV6:
            return np.dtype(np.uint8)
        return NUMBERS.get(self.target.removeprefix(REVERSED), _WIDE)

    def room(self, records: int) -> Column:
        """Where the values of a fixed-length field will stand."""
        return np.empty((records, *(16,) * (self.kind is Kind.IPV6)), self.dtype)

    def native(self, raw: Column) -> Column:
        """What NumPy can copy into :meth:`room`: numbers of any byte order, or rows of 16 bytes."""
        return raw if raw.ndim == 1 or self.kind is Kind.IPV6 else _widened(raw)

    def read_run(self, run: Run) -> Column:
        """The values of a field of variable length, which is never an address."""
        return run.numbers().astype(self.dtype)


def _widened(raw: Column) -> Column:
    """Numbers of 3, 5, 6 or 7 bytes, from rows of bytes."""
    wide = np.zeros((len(raw), 8), np.uint8)
    wide[:, 8 - raw.shape[1] :] = raw
    return wide.view(">u8")[:, 0]


@attrs.frozen(slots=True, eq=False)
class Plan:
    """What to do with the records of a template.

    :ivar steps: in the order of the element table.
    :ivar dtype: over the fixed-length part; step *i* reads field ``str(i)``.
    :ivar packets: target and place of fields that are captured packets.
    :ivar two_way: whether records may tell of both directions.
    """

    steps: tuple[Step, ...]
    dtype: np.dtype[np.void]
    packets: tuple[tuple[str, Place], ...]
    two_way: bool

    def read(self, rows: Rows, clocks: Clocks) -> Values:
        """The wanted values of all records.

        :param clocks: of the same records; times come out as nanoseconds since 1970.
        """
        fixed = self._fixed(rows)
        values: Values = {}
        for index, step in enumerate(self.steps):
            value = fixed[index] if index in fixed else step.read_run(rows.run(step.place))
            if step.kind is Kind.DSCP:
                value = np.left_shift(value, 2)
            if step.target in TIMES:
                value = clocks.nanoseconds(step.kind, value.astype(_WIDE, copy=False), values.get("boot_time"))
            held = values.get(step.target)
            values[step.target] = value if held is None else _filled(held, value)
        return values

    def _fixed(self, rows: Rows) -> dict[int, Column]:
        """Values of the steps that read a fixed-length field, by number of the step; block by block, see BLOCK."""
        records = rows.matrix.view(self.dtype)[:, 0]
        found = {index: step.room(len(rows)) for index, step in enumerate(self.steps) if step.place.variable < 0}
        for first in range(0, len(rows), BLOCK):
            block = records[first : first + BLOCK]
            for index, column in found.items():
                column[first : first + BLOCK] = self.steps[index].native(block[str(index)])
        return found


def _filled(values: Column, spare: Column) -> Column:
    """``values``, and ``spare`` where they are zero."""
    empty = values == 0 if values.ndim == 1 else ~values.any(axis=1, keepdims=True)
    return np.where(empty, spare, values)


def known_fields(fields: Sequence[tuple[int, int, Place]]) -> tuple[KnownField, ...]:
    """Those of the fields (enterprise, number, place) that the element table has and that take room."""
    return tuple(
        KnownField(pen, number, element, place)
        for pen, number, place in fields
        if (element := ELEMENTS.get((pen, number))) is not None and (place.length or place.variable >= 0)
    )


def places(fields: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int, Place]]:
    """Where each field (enterprise, number, length) stands."""
    offset = variable = 0
    for pen, number, length in fields:
        if length == VARIABLE:
            yield pen, number, Place(0, 0, variable)
            variable += 1
        else:
            yield pen, number, Place(offset, length)
            offset += length


def compile_plan(flow_type: str, known: Sequence[KnownField], width: int) -> Plan:
    """The plan for records with these fields.

    :param width: bytes of the fixed-length part.
    """
    wanted = sorted((field for field in known if _is_wanted(field)), key=lambda field: field.element.rank)
    has_boot_time = any(field.element.target == "boot_time" for field in wanted)
    steps: list[Step] = []
    seen: set[str] = set()
    for field in wanted:
        target, kind = field.element.target, field.element.kind
        unusable = kind is Kind.UPTIME and flow_type == "ipfix" and not has_boot_time
        if not unusable and not (target in FIRST_ONLY and target in seen):
            seen.add(target)
            steps.append(Step(target, kind, field.place))
    if "time" in seen:
        steps = [step for step in steps if step.target not in NEEDLESS]
    steps.sort(key=lambda step: step.target != "boot_time")  # other times lean on it
    packets = [field for field in known if field.element.target in PACKETS]
    packets.sort(key=lambda field: field.element.rank)
    return Plan(
        tuple(steps),
        _dtype(steps, width),
        tuple((field.element.target, field.place) for field in packets),
        not TWO_WAY.isdisjoint(seen),
    )


def _is_wanted(field: KnownField) -> bool:
    """Whether a field is a step: its element fills a value, and a number is not too large."""
    element, place = field.element, field.place
    if not element.target or element.target.startswith(CUSTOM) or element.target in (*PACKETS, *EXPORTERS):
        return False
    return element.kind in ADDRESS_LENGTHS or place.length <= WIDEST_NUMBER


def _dtype(steps: Sequence[Step], width: int) -> np.dtype[np.void]:
    fixed = [(index, step) for index, step in enumerate(steps) if step.place.variable < 0]
    return np.dtype(
        {
            "names": [str(index) for index, _ in fixed],
            "formats": [step.code for _, step in fixed],
            "offsets": [step.place.offset for _, step in fixed],
            "itemsize": width,
        }
    )
