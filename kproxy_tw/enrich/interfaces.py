"""Interface names and speeds as SNMP tells them, for each flow, in custom columns of the device.

A flow of an interface that SNMP does not know goes on with its index alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import attrs
import numpy as np

from kproxy_tw.decode.custom import folded
from kproxy_tw.flowbatch import Column, FlowBatch

MAX_NAME_BYTES = 255

SIDES: Mapping[str, str] = {"input": "input_port", "output": "output_port"}

PLACES: Mapping[str, tuple[str, str]] = {
    f"{side}_interface_{what}": (port, what)
    for side, port in SIDES.items()
    for what in ("name", "description", "alias", "speed")
}
"""Custom column to the column of its keys and what is told of them; speeds are in Mbit/s."""


@attrs.frozen(eq=False)
class InterfaceTable:
    """What is known of a device's interfaces, in columns ordered by index.

    :ivar indexes: ascending.
    :ivar told: ``name``, ``description``, ``alias``, ``speed`` to a value for each index.
    """

    indexes: Column
    told: Mapping[str, Column]

    @classmethod
    def of(cls, rows: Iterable[tuple[int, str, str, str, int]]) -> InterfaceTable:
        """:param rows: index, name, description, alias and speed in Mbit/s of each interface, once each."""
        ordered = sorted(rows)
        told = {
            "name": np.array([_text(row[1]) for row in ordered], np.bytes_),
            "description": np.array([_text(row[2]) for row in ordered], np.bytes_),
            "alias": np.array([_text(row[3]) for row in ordered], np.bytes_),
            "speed": np.array([min(row[4], 0xFFFFFFFF) for row in ordered], np.uint32),
        }
        return cls(np.array([row[0] for row in ordered], np.uint32), told)

    def find(self, keys: Column) -> tuple[Column, Column]:
        """The place of each key, and whether it is there at all; for a table that is not empty."""
        places = np.minimum(np.searchsorted(self.indexes, keys), len(self.indexes) - 1)
        return places, self.indexes[places] == keys


def add_interfaces(batch: FlowBatch, wanted: Collection[str], table: InterfaceTable | None) -> None:
    """Fill those of :data:`PLACES` that the device has; what the exporter told in option data stays.

    :param wanted: folded names of the device's custom columns.
    """
    if table is None or not len(table.indexes):
        return
    found: dict[str, tuple[Column, Column]] = {}
    for name, (port, what) in PLACES.items():
        if folded(name) not in wanted or port not in batch.columns:
            continue
        if port not in found:
            found[port] = table.find(batch.columns[port])
        places, known = found[port]
        values = table.told[what][places]
        values[~known] = values.dtype.type()
        batch.custom[name] = _unless_told(batch.custom.get(name), values)


def _unless_told(told: Column | None, values: Column) -> Column:
    if told is None:
        return values
    filled: Column = np.where(told == told.dtype.type(), values, told)
    return filled


def _text(text: str) -> bytes:
    return text.encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore").encode()


@attrs.define(eq=False)
class InterfaceTraffic:
    """Octets that flows say went through each interface, weighed by their sample rates, since the start.

    A flow counts as received on its input interface and as sent on its output interface. A router that exports the same
    packet on both is counted twice; the exporter's own delays and time outs apply.

    :ivar received, sent: interface index to octets.
    :ivar left_out: flows of interfaces for which there was no room.
    """

    received: dict[int, float] = attrs.field(factory=dict)
    sent: dict[int, float] = attrs.field(factory=dict)
    left_out: int = 0

    def add(self, traffic: Traffic) -> None:
        """Take in the flows of one message."""
        for totals, found in ((self.received, traffic.received), (self.sent, traffic.sent)):
            for index, octets in found.items():
                if index in totals or len(totals) < MAX_INTERFACES:
                    totals[index] = totals.get(index, 0.0) + octets
                else:
                    self.left_out += 1


SMALL_INDEX = 65_536
"""Most agents number their interfaces below this."""

MAX_INTERFACES = 16_384
"""Interfaces of one device whose traffic is summed."""


@attrs.frozen
class Traffic:
    """Octets by interface of one message's flows."""

    received: Mapping[int, float] = attrs.field(factory=dict)
    sent: Mapping[int, float] = attrs.field(factory=dict)


def traffic_of(batch: FlowBatch) -> Traffic:
    """Sum up the flows of a batch whose sample rates are final; copies and metric records must not be in it."""
    # Exporters tell a flow's octets as it came in or as it went out; some tell both, which is the same flow twice.
    octets = np.maximum(batch.column("in_bytes"), batch.column("out_bytes")) * batch.column("sample_rate")
    return Traffic(_sums(batch, "input_port", octets), _sums(batch, "output_port", octets))


def _sums(batch: FlowBatch, port: str, octets: Column) -> Mapping[int, float]:
    if port not in batch.columns:
        return {}
    ports = batch.columns[port]
    if ports.max(initial=0) < SMALL_INDEX:  # ten times faster than sorting them
        every = np.bincount(ports, octets)
        indexes = np.flatnonzero(every)
        return dict(zip(indexes.tolist(), every[indexes].tolist(), strict=True))
    indexes, rows = np.unique(ports, return_inverse=True)
    return dict(zip(indexes.tolist(), np.bincount(rows, octets).tolist(), strict=True))


Interfaces = Callable[[int], InterfaceTable | None]
"""Gives what SNMP knows of a device's interfaces, by device id."""
