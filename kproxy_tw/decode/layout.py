"""How the records of one template lie in bytes, and the way from many of them to one matrix and then to columns.

Records of a fixed length are already a matrix. Records with variable-length fields (RFC 7011 section 7; some NetFlow
v9 exporters use the same form) are runs of fixed-length *segments* with length-told bytes between them: their walk
notes where each record begins, and the segments of all chosen records are copied side by side, one NumPy step per
segment. From there on both are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.clock import Clocks
from kproxy_tw.decode.derive import flow_batch
from kproxy_tw.decode.elements import VARIABLE
from kproxy_tw.decode.plan import Plan, compile_plan
from kproxy_tw.decode.records import RecordSet
from kproxy_tw.errors import MalformedInput
from kproxy_tw.flowbatch import FlowBatch

Bytes = npt.NDArray[np.uint8]


@attrs.frozen(slots=True)
class Field:
    """One field of a template.

    :ivar pen: enterprise number, 0 for IANA's elements.
    :ivar number: element number without the enterprise bit.
    :ivar length: bytes, or ``VARIABLE``.
    """

    pen: int
    number: int
    length: int


def _segments(fields: Sequence[Field]) -> tuple[int, ...]:
    """Lengths of the fixed parts before, between and behind the variable-length fields."""
    lengths = [0]
    for field in fields:
        if field.length == VARIABLE:
            lengths.append(0)
        else:
            lengths[-1] += field.length
    return tuple(lengths)


@attrs.frozen(slots=True, eq=False)
class TemplateLayout:
    """A :class:`~kproxy_tw.interfaces.RecordLayout` made from the fields of a template.

    :ivar flow_type: ``netflow5``, ``netflow9`` or ``ipfix``.
    :ivar fields: the fields in order.
    :ivar segments: lengths of the runs of fixed-length fields; more than one where lengths vary.
    :ivar minimum: bytes of the shortest record; of every record where lengths do not vary. Never 0.
    """

    flow_type: str
    fields: tuple[Field, ...]
    segments: tuple[int, ...] = attrs.field(
        init=False, default=attrs.Factory(lambda self: _segments(self.fields), takes_self=True)
    )
    minimum: int = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: sum(self.segments) + len(self.segments) - 1, takes_self=True),
    )

    @property
    def is_variable(self) -> bool:
        """Whether records differ in length."""
        return len(self.segments) > 1

    @cached_property
    def plan(self) -> Plan:
        """What to read from a record; made when the first records of the template are decoded."""
        return compile_plan(self.flow_type, [(field.pen, field.number, field.length) for field in self.fields])

    def starts(self, data: bytes, start: int, stop: int) -> tuple[list[int], int]:
        """Where the variable-length records in ``data[start:stop]`` begin.

        :return: offsets from ``start``, and the offset in ``data`` behind the last whole record.
        """
        found = []
        position = start
        while stop - position >= self.minimum:
            end = self._end(data, position, stop)
            if end > stop:
                break
            found.append(position - start)
            position = end
        return found, position

    def _end(self, data: bytes, position: int, stop: int) -> int:
        """The offset behind the record at ``position``; above ``stop`` when it does not fit."""
        for length in self.segments[:-1]:
            position += length
            if position >= stop:
                return stop + 1
            size = data[position]
            position += 1
            if size == 255:
                if position + 2 > stop:
                    return stop + 1
                size = data[position] << 8 | data[position + 1]
                position += 2
            position += size
        return position + self.segments[-1]

    def columns(self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None) -> FlowBatch:
        """Decode records; see :class:`~kproxy_tw.interfaces.RecordLayout`."""
        rows = self._gathered(sets, chosen) if self.is_variable else self._stacked(sets, chosen)
        clocks = Clocks(sets, chosen)
        return flow_batch(self.plan.read(rows, clocks), clocks)

    def _stacked(self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None) -> Bytes:
        body = b"".join([records.body for records in sets])
        count = sum([records.count for records in sets])
        if len(body) != count * self.minimum:
            raise MalformedInput(f"{count} records of {self.minimum} bytes wanted, {len(body)} bytes are there")
        rows = np.frombuffer(body, np.dtype((np.void, self.minimum)))
        if chosen is not None:
            rows = rows.take(chosen)
        return rows.view(np.uint8).reshape(-1, self.minimum)

    def _gathered(self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None) -> Bytes:
        data = np.frombuffer(b"".join([records.body for records in sets]), np.uint8)
        positions = _positions(sets)
        if chosen is not None:
            positions = positions.take(chosen)
        rows = np.zeros((len(positions), max(1, sum(self.segments))), np.uint8)
        column = 0
        try:
            for index, length in enumerate(self.segments):
                rows[:, column : column + length] = _windows(data, length)[positions]
                column += length
                positions = positions + length
                if index + 1 < len(self.segments):
                    positions = _behind_variable(data, positions)
        except IndexError:
            raise MalformedInput("a variable-length record reaches beyond its set") from None
        return rows


def _positions(sets: Sequence[RecordSet]) -> npt.NDArray[np.intp]:
    """Where each record of all sets begins in their joined bodies."""
    found: list[int] = []
    base = 0
    for records in sets:
        found += [base + start for start in records.starts]
        base += len(records.body)
    return np.array(found, np.intp)


def _windows(data: Bytes, length: int) -> Bytes:
    """Row *i* is ``data[i : i + length]``; no copy."""
    return np.ndarray((max(0, len(data) - length + 1), length), np.uint8, data, 0, (1, 1))


def _behind_variable(data: Bytes, positions: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Step over one variable-length field: its length in 1 byte, or 255 and 2 bytes, and as many bytes."""
    sizes = data[positions].astype(np.intp)
    long = np.flatnonzero(sizes == 255)
    behind = positions + 1 + sizes
    if long.size:
        at = positions[long]
        behind[long] = at + 3 + (data[at + 1].astype(np.intp) << 8 | data[at + 2])
    return behind
