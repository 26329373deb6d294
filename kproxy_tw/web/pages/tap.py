"""Tap: a device's records as they are sent. Off until somebody starts it, and over after a minute."""

from __future__ import annotations

from kproxy_tw.looks import TAP_FLOWS
from kproxy_tw.status import DaemonStatus, DeviceStatus
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.taps import TAP_SECONDS


def content(daemon: DaemonStatus, device: DeviceStatus) -> PageContent:
    """Everything that the page shows before the tap is started."""
    return PageContent(
        template="tap.html",
        document={"DeviceID": device.device_id, "Stream": f"/devices/{device.device_id}/tap.txt"},
        values={"daemon": daemon, "device": device, "seconds": int(TAP_SECONDS), "most": TAP_FLOWS},
        live=False,
    )
