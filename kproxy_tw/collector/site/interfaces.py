"""A device's interfaces, by what its flows say of them. Pure."""

from __future__ import annotations

import attrs

from kproxy_tw.collector.traffic.dimensions import DIMENSIONS, Names
from kproxy_tw.collector.traffic.query import Amounts, Reads, ranked
from kproxy_tw.collector.traffic.question import Question
from kproxy_tw.web.tables.table import Cell, Table, columns

MOST = 200
"""Interfaces of one device that are shown, of each direction the busiest."""


def interfaces_table(store: Reads, question: Question, names: Names) -> Table:
    """What came in and went out through each interface, the busiest first; ``/devices/<id>/interfaces.csv``.

    :param question: is about one device.
    :raises StoreError: the store cannot be read, or not in time.
    """
    seconds = question.time.seconds
    inward, outward = (_by_interface(store, question, name) for name in ("input", "output"))
    nothing = Amounts()
    pairs = {key: (inward.get(key, nothing), outward.get(key, nothing)) for key in inward | outward}
    busiest = sorted(pairs.items(), key=lambda item: (-item[1][0].bytes - item[1][1].bytes, item[0]))
    return Table(
        name="interfaces",
        key="Interfaces",
        title="Interfaces",
        columns=columns(
            ("Interface", "Interface"),
            ("Index", "", "text"),
            ("InBits", "In", "bits", "Average of what came in through it, by the flows (estimated)"),
            ("OutBits", "Out", "bits", "Average of what went out through it, by the flows (estimated)"),
            ("InBytes", "Bytes in", "bytes", "Estimated"),
            ("OutBytes", "Bytes out", "bytes", "Estimated"),
            ("InPackets", "Packets in", "number", "Estimated"),
            ("OutPackets", "Packets out", "number", "Estimated"),
        ),
        rows=[
            (
                _cell(device_id, index, names),
                index,
                came.bytes * 8 / seconds,
                went.bytes * 8 / seconds,
                came.bytes,
                went.bytes,
                came.packets,
                went.packets,
            )
            for (device_id, index), (came, went) in busiest
        ],
        empty="No flow in this time.",
    )


def _cell(device_id: int, index: int, names: Names) -> Cell:
    name = names.interface(device_id, index)
    href = f"/traffic?device={device_id}&interface={index}&by=port"
    return Cell(name or f"interface {index}", href=href, under=f"index {index}" if name else "")


def _by_interface(store: Reads, question: Question, name: str) -> dict[tuple[int, int], Amounts]:
    asked = attrs.evolve(question, dimension=DIMENSIONS[name], rows=MOST)
    return {(int(key[0]), int(key[1])): amounts for key, amounts in ranked(store, asked)}
