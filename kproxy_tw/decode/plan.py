"""What to read from a record: the fields that fill a column, compiled once per template.

A :class:`Plan` is a structured dtype over the record and one step per field that is wanted, so that decoding *n*
records costs one NumPy operation per field, whatever *n* is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.clock import Clocks
from kproxy_tw.decode.elements import ELEMENTS, VARIABLE, Element, Kind
from kproxy_tw.flowbatch import NUMBERS, Column

Values = dict[str, Column]
"""Targets of :mod:`~kproxy_tw.decode.elements` to arrays of one value (IPv6 addresses: 16 bytes) a record."""

FIRST_ONLY = frozenset(
    {"in_bytes", "in_pkts", "out_bytes", "out_pkts", "time", "boot_time"}
    | {"sampling_interval", "sampling_packets", "sampling_space"}
)
"""Targets for which only the first element counts; for the others later elements stand in where it is zero."""

_WIDE = np.dtype(np.uint64)
_NATIVE_SIZES = (1, 2, 4, 8)


@attrs.frozen(slots=True)
class Step:
    """Read one field: ``target`` and ``kind`` of its element, ``offset`` and ``length`` in the record."""

    target: str
    kind: Kind
    offset: int
    length: int

    @property
    def code(self) -> str:
        """The dtype of the field: a big-endian number, or bytes where no number has that size."""
        if self.length in _NATIVE_SIZES and self.kind is not Kind.IPV6:
            return f">u{self.length}"
        return f"({self.length},)u1"

    def read(self, raw: Column) -> Column:
        """Native numbers in the dtype of the target's column (64 bits where it is none); IPv6: rows of 16 bytes."""
        if self.kind is Kind.IPV6:
            return raw.copy()
        values = _widened(raw) if raw.ndim > 1 else raw
        numbers = values.astype(NUMBERS.get(self.target, _WIDE))
        return np.left_shift(numbers, 2) if self.kind is Kind.DSCP else numbers


def _widened(raw: Column) -> Column:
    """Numbers of 3, 5, 6 or 7 bytes, from rows of bytes."""
    wide = np.zeros((len(raw), 8), np.uint8)
    wide[:, 8 - raw.shape[1] :] = raw
    return wide.view(">u8")[:, 0]


@attrs.frozen(slots=True, eq=False)
class Plan:
    """Steps, in the order of the element table, and the dtype over which they read; step *i* reads field ``str(i)``."""

    steps: tuple[Step, ...]
    dtype: np.dtype[np.void]

    def read(self, rows: npt.NDArray[np.uint8], clocks: Clocks) -> Values:
        """The wanted values of all records.

        :param rows: contiguous, shape (records, bytes of a record).
        :param clocks: of the same records; times come out as nanoseconds since 1970.
        """
        records = rows.view(self.dtype)[:, 0]
        values: Values = {}
        for index, step in enumerate(self.steps):
            value = step.read(records[str(index)])
            if step.target == "time":
                value = clocks.nanoseconds(step.kind, value.astype(_WIDE), values.get("boot_time"))
            held = values.get(step.target)
            values[step.target] = value if held is None else _filled(held, value)
        return values


def _filled(values: Column, spare: Column) -> Column:
    """``values``, and ``spare`` where they are zero."""
    empty = values == 0 if values.ndim == 1 else ~values.any(axis=1, keepdims=True)
    return np.where(empty, spare, values)


def compile_plan(flow_type: str, fields: Sequence[tuple[int, int, int]]) -> Plan:
    """The plan for records of these fields.

    :param fields: enterprise, number and length of each; variable-length ones take no room in the rows.
    """
    wanted = sorted(_wanted(fields), key=lambda pair: pair[0].rank)
    has_boot_time = any(step.target == "boot_time" for _, step in wanted)
    steps: list[Step] = []
    seen: set[str] = set()
    for _, step in wanted:
        unusable = step.kind is Kind.UPTIME and flow_type == "ipfix" and not has_boot_time
        if not unusable and not (step.target in FIRST_ONLY and step.target in seen):
            seen.add(step.target)
            steps.append(step)
    steps.sort(key=lambda step: step.target != "boot_time")  # other times lean on it
    width = sum(length for _, _, length in fields if length != VARIABLE)
    return Plan(tuple(steps), _dtype(steps, max(1, width)))


def _wanted(fields: Sequence[tuple[int, int, int]]) -> Iterator[tuple[Element, Step]]:
    offset = 0
    for pen, number, length in fields:
        if length == VARIABLE:
            continue
        element = ELEMENTS.get((pen, number))
        if element is not None and element.target and length:
            yield element, Step(element.target, element.kind, offset, length)
        offset += length


def _dtype(steps: Sequence[Step], width: int) -> np.dtype[np.void]:
    return np.dtype(
        {
            "names": [str(index) for index in range(len(steps))],
            "formats": [step.code for step in steps],
            "offsets": [step.offset for step in steps],
            "itemsize": width,
        }
    )
