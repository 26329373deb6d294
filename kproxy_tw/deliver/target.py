"""Where a device's messages go: the flow URL with the query that names the device."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote


class Recipient(Protocol):
    """The device that a sender stands for, as the backend knows it."""

    @property
    def device_id(self) -> int:
        """Its number."""

    @property
    def company_id(self) -> int:
        """The number of the company it belongs to."""

    @property
    def name(self) -> str:
        """Its name."""


def sender_id(device: Recipient) -> str:
    """``company:name:id``, as the backend expects it, before percent-encoding."""
    return f"{device.company_id}:{device.name}:{device.device_id}"


def target(url: str, sender: str) -> str:
    """The URL to POST to. :param url: the flow endpoint. :param sender: see :func:`sender_id`."""
    return f"{url}?sid=0&sender_id={quote(sender, safe='')}"
