"""How the records of one template lie in bytes, and the way from many of them to one matrix and then to columns.

Records of a fixed length are already a matrix. Records with variable-length fields become one in
:mod:`~kproxy_tw.decode.varlen`. From there on both are the same: fields to values (:mod:`~kproxy_tw.decode.plan`),
values to columns (:mod:`~kproxy_tw.decode.derive`), then what not every template has: captured packets, custom
columns, the other direction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property

import attrs
import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.clock import Clocks
from kproxy_tw.decode.custom import Wish, wishes
from kproxy_tw.decode.derive import flow_batch
from kproxy_tw.decode.elements import VARIABLE
from kproxy_tw.decode.exporters import exporter_places
from kproxy_tw.decode.natevents import COLUMN, implied_event
from kproxy_tw.decode.plan import Plan, compile_plan, known_fields, places
from kproxy_tw.decode.records import RecordSet
from kproxy_tw.decode.rows import Place, Rows
from kproxy_tw.decode.sections import fill_from_packets
from kproxy_tw.decode.stacked import stack
from kproxy_tw.decode.twoway import both_ways
from kproxy_tw.decode.unknown import Sighting, sightings
from kproxy_tw.decode.varlen import gather, record_starts
from kproxy_tw.flowbatch import FlowBatch


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
    :ivar decap: of captured packets in a tunnel, the inner one counts.
    :ivar minimum: bytes of the shortest record; of every record where lengths do not vary. Never 0.
    """

    flow_type: str
    fields: tuple[Field, ...]
    decap: bool = False
    segments: tuple[int, ...] = attrs.field(
        init=False, default=attrs.Factory(lambda self: _segments(self.fields), takes_self=True)
    )
    minimum: int = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: sum(self.segments) + len(self.segments) - 1, takes_self=True),
    )
    _wishes: dict[frozenset[str], tuple[Wish, ...]] = attrs.field(init=False, factory=dict)

    @property
    def is_variable(self) -> bool:
        """Whether records differ in length."""
        return len(self.segments) > 1

    @cached_property
    def places(self) -> tuple[tuple[int, int, Place], ...]:
        """Enterprise, number and place of each field."""
        return tuple(places([(field.pen, field.number, field.length) for field in self.fields]))

    @cached_property
    def plan(self) -> Plan:
        """What to read from a record; made when the first records of the template are decoded."""
        return compile_plan(self.flow_type, known_fields(self.places), max(1, sum(self.segments)))

    @cached_property
    def unknown(self) -> tuple[Sighting, ...]:
        """The fields that no table knows; counted when records are decoded."""
        return sightings(self.places)

    @cached_property
    def exporters(self) -> tuple[Place, ...]:
        """Where records name the device that they are of, if they do."""
        return exporter_places(self.places)

    @property
    def flows_per_record(self) -> int:
        """How many flows a record may become."""
        return 2 if self.plan.two_way else 1

    def starts(self, data: bytes, start: int, stop: int) -> tuple[list[int], int]:
        """Where the variable-length records in ``data[start:stop]`` begin.

        :return: offsets from ``start``, and the offset in ``data`` behind the last whole record.
        """
        return record_starts(self.segments, data, start, stop)

    def columns(
        self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None, wanted: Collection[str] = frozenset()
    ) -> FlowBatch:
        """Decode records; see :class:`~kproxy_tw.interfaces.RecordLayout`."""
        rows = self.rows(sets, chosen)
        clocks = Clocks(sets, chosen)
        plan = self.plan
        values = plan.read(rows, clocks)
        batch = flow_batch(values, clocks)
        if plan.packets:
            fill_from_packets(batch, values, rows, plan, wanted, decap=self.decap)
        if wanted:
            self._add_custom(batch, rows, frozenset(wanted))
        if self.unknown:
            seen = sum(records.count for records in sets)
            for sighting in self.unknown:
                sighting.note(seen, rows)
        return both_ways(batch, values) if plan.two_way else batch

    def rows(self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None = None) -> Rows:
        """The chosen records as bytes in memory. :raises MalformedInput: they are not there whole."""
        return self._gathered(sets, chosen) if self.is_variable else self._stacked(sets, chosen)

    def _add_custom(self, batch: FlowBatch, rows: Rows, wanted: frozenset[str]) -> None:
        known = self._wishes.get(wanted)
        if known is None:
            self._wishes.clear()  # a device has one set of columns at a time
            known = self._wishes[wanted] = wishes(self.places, wanted)
        for wish in known:
            column = wish.read(rows)
            if column is not None:
                batch.custom[wish.name] = column
        event = implied_event(self.places, wanted)
        if event:
            batch.custom[COLUMN] = np.full(batch.length, event, np.uint8)

    def _stacked(self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None) -> Rows:
        matrix = stack(self.minimum, sets, chosen)
        return Rows(matrix, matrix.reshape(-1))

    def _gathered(self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None) -> Rows:
        data = np.frombuffer(b"".join([records.body for records in sets]), np.uint8)
        positions = _positions(sets)
        return gather(self.segments, data, positions if chosen is None else positions.take(chosen))


def _positions(sets: Sequence[RecordSet]) -> npt.NDArray[np.intp]:
    """Where each record of all sets begins in their joined bodies."""
    sizes = np.array([len(records.body) for records in sets], np.intp)
    bases = np.repeat(np.cumsum(sizes) - sizes, [records.count for records in sets])
    return bases + np.concatenate([records.starts for records in sets]).astype(np.intp)
