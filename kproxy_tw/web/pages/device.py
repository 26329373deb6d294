"""The page of one device."""

from __future__ import annotations

from kproxy_tw.status import DaemonStatus, DeviceStatus
from kproxy_tw.web import counters, snmp
from kproxy_tw.web.pages.kproxy import device_row, drop_reasons, fates


def page_values(daemon: DaemonStatus, device: DeviceStatus) -> dict[str, object]:
    """Everything that ``device.html`` shows."""
    return {
        "daemon": daemon,
        "row": device_row(device, daemon.now),
        "device": device,
        "fates": fates(device.ledger),
        "dropped": drop_reasons(device.ledger),
        "templates": device.templates,
        "sequences": device.sequences,
        "exporters": device.exporters,
        "snmp": snmp.page_values(device.snmp, daemon.now),
        "counters": counters.page_values(device.sflow),
    }
