"""What a reading becomes, worked out in a thread: entries of the interface document, reports, metric records."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kproxy_tw.decode.custom import fitted
from kproxy_tw.devices.device import Device
from kproxy_tw.kflow.encode import encode
from kproxy_tw.snmp.outputs.document import Entry, interface_entry, system_entry
from kproxy_tw.snmp.outputs.records import metric_batch
from kproxy_tw.snmp.outputs.report import reports
from kproxy_tw.snmp.reading import Reading


@attrs.frozen(kw_only=True)
class Prepared:
    """What is sent of a reading.

    :ivar entries, system: of the interface document; ``None`` where the reading describes nothing.
    :ivar metrics: a kflow body with ``records`` metric records; empty where there are none.
    """

    entries: Mapping[int, Entry] | None
    system: Entry
    reports: tuple[bytes, ...] = attrs.field(repr=False)
    metrics: bytes = attrs.field(default=b"", repr=False)
    records: int = 0


def prepare(reading: Reading, device: Device, *, rate: int, reported: bool) -> Prepared:
    """Work out what is sent.

    :param rate: the sample rate of metric records.
    :param reported: whether anybody takes reports.
    :raises ValueError: the metric records do not fit into a message.
    """
    batch = metric_batch(reading, device.custom_columns, rate)
    body = b""
    if batch is not None:
        batch.custom = fitted(batch.custom, device.custom_columns, device.column_types)
        body = encode(batch, device_id=device.device_id, column_ids=device.custom_columns)
    return Prepared(
        entries={one.index: interface_entry(one) for one in reading.interfaces} if reading.interfaces else None,
        system=system_entry(reading.system) if reading.system else {},
        reports=tuple(reports(reading)) if reported else (),
        metrics=body,
        records=0 if batch is None else batch.length,
    )
