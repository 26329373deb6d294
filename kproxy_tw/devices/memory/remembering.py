"""What the memory of exporters needs of a device that has sent something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from kproxy_tw.devices.events import EventList
from kproxy_tw.devices.session import ExporterSession


class Remembering(Protocol):
    """A device that has sent something."""

    @property
    def sessions(self) -> Mapping[str, ExporterSession]:
        """Its sessions by key."""

    @property
    def events(self) -> EventList:
        """What happened to it."""

    def take_released(self, session: ExporterSession, now: float) -> None:
        """Take what waited for templates that have come."""

    def give_up_held(self, reason: str) -> None:
        """Drop what waits for templates."""
