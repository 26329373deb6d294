"""A reading as metric records: flows that carry counters in a device's generic custom columns.

Which value stands in which column is the backend's convention, told apart by ``APP_PROTOCOL``: 5 is an interface of
SNMP, 12 the device itself. Columns that the device does not have are left out; their ids are resolved by name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from kproxy_tw.flowbatch import Column, FlowBatch
from kproxy_tw.snmp.reading import Counts, DeviceHealth, InterfaceCounters, Reading

INTERFACE, DEVICE = 5, 12
"""Values of ``APP_PROTOCOL``."""

APP_PROTOCOL = "APP_PROTOCOL"
NEEDED = "INT64_00"
"""A device without this column cannot take metric records."""

COUNTER_COLUMNS: Mapping[str, str] = {
    "INT64_00": "in_octets",
    "INT64_01": "in_unicast",
    "INT64_02": "out_octets",
    "INT64_03": "out_unicast",
    "INT64_04": "in_discards",
    "INT64_05": "out_discards",
    "INT64_06": "out_multicast",
    "INT64_07": "out_broadcast",
    "INT64_08": "in_multicast",
    "INT64_09": "in_broadcast",
    "INT00": "in_errors",
    "INT01": "out_errors",
}
"""Column to the counter whose growth it carries."""

STATE_COLUMNS: Mapping[str, Callable[[InterfaceCounters], float]] = {
    "INT02": lambda one: one.admin_status,
    "INT03": lambda one: one.oper_status,
    "INT04": lambda one: one.speed_bps // 1_000_000,
    "INT05": lambda one: 100 * (one.in_utilization or 0.0),
    "INT06": lambda one: 100 * (one.out_utilization or 0.0),
}
"""Column to a value as it is now: status, capacity in Mbit/s, utilization in percent."""

MAX_TEXT = 128
"""Bytes of a text; what the backend keeps."""


def metric_batch(reading: Reading, columns: Collection[str], rate: int) -> FlowBatch | None:
    """The records of a reading; ``None`` when there are none, or the device has no columns for them.

    :param columns: names of the device's custom columns.
    :param rate: the sample rate that they carry.
    """
    if NEEDED not in columns:
        return None
    grown = [one for one in reading.counters if one.deltas is not None]
    batches = [batch for batch in (_interfaces(grown), _device(reading)) if batch is not None]
    if not batches:
        return None
    whole = FlowBatch.concatenate(batches)
    whole.columns["is_metric"] = np.ones(whole.length, bool)
    whole.columns["sample_rate"] = np.full(whole.length, float(rate))
    whole.columns["timestamp_nano"] = np.full(whole.length, int(reading.started * 1e9), np.int64)
    whole.custom[APP_PROTOCOL] = whole.columns["app_protocol"]
    whole.custom = {name: column for name, column in whole.custom.items() if name in columns}
    return whole


def _interfaces(counters: Sequence[InterfaceCounters]) -> FlowBatch | None:
    if not counters:
        return None
    grown = [one.deltas or Counts() for one in counters]
    indexes = np.array([one.index for one in counters], np.uint32)
    custom = {
        name: _column([getattr(delta, counter) or 0 for delta in grown], wide=name.startswith("INT64"))
        for name, counter in COUNTER_COLUMNS.items()
    }
    custom |= {
        name: _column([round(state(one)) for one in counters], wide=False) for name, state in STATE_COLUMNS.items()
    }
    return FlowBatch(
        length=len(counters),
        columns={
            "input_port": indexes,
            "output_port": indexes,
            "app_protocol": np.full(len(counters), INTERFACE, np.uint32),
        },
        custom=custom,
    )


def _column(values: Sequence[int], *, wide: bool) -> Column:
    most = 2**64 - 1 if wide else 2**32 - 1
    return np.array([min(max(value, 0), most) for value in values], np.uint64 if wide else np.uint32)


def _device(reading: Reading) -> FlowBatch | None:
    rows = _rows(reading.health)
    if reading.error is not None:
        rows.append({"STR00": reading.error.text})
    if not rows:
        return None
    uptime = round(reading.system.uptime_seconds) if reading.system else 0
    custom: dict[str, Column] = {
        name: _column([_number(row.get(name)) for row in rows], wide=True)
        for name in ("INT64_00", "INT64_01", "INT64_02", "INT64_03", "INT64_04")
    }
    custom["INT64_05"] = np.full(len(rows), uptime, np.uint64)
    custom |= {name: np.array([_text(row.get(name)) for row in rows], np.bytes_) for name in ("STR00", "STR01")}
    return FlowBatch(length=len(rows), columns={"app_protocol": np.full(len(rows), DEVICE, np.uint32)}, custom=custom)


def _rows(health: DeviceHealth) -> list[dict[str, object]]:
    """One row for each component."""
    cpus: list[dict[str, object]] = [{"INT64_00": round(cpu.percent), "STR01": cpu.name} for cpu in health.cpus]
    return cpus + [
        {
            "INT64_01": memory.total,
            "INT64_02": memory.used,
            "INT64_03": memory.free,
            "INT64_04": round(memory.percent),
            "STR01": memory.name,
        }
        for memory in health.memories
    ]


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> bytes:
    return str(value or "").encode()[:MAX_TEXT].decode("utf-8", "ignore").encode()
