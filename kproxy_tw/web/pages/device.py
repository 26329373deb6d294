"""The page of one device."""

from __future__ import annotations

import json

from markupsafe import escape

from kproxy_tw.status import DaemonStatus, DeviceStatus
from kproxy_tw.web.pages.kproxy import device_row, drop_reasons, fates


def page_values(daemon: DaemonStatus, device: DeviceStatus) -> dict[str, object]:
    """Everything that ``device.html`` shows."""
    return {
        "daemon": daemon,
        "row": device_row(device, daemon.now),
        "device": device,
        "fates": fates(device.ledger),
        "dropped": drop_reasons(device.ledger),
        "templates": [escape(json.dumps(dict(template), indent=1)) for template in device.templates],
    }
