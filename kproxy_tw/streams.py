"""Connections of exporters on their way into the intake: each is a session of its own, of the device it comes from.

Between the connection and the first message the API may have to be asked whose the address is. The connection waits
meanwhile, unread, so that its templates, which come only once, are not lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from kproxy_tw.devices.registry import Changes
from kproxy_tw.devices.sources import Verdict
from kproxy_tw.intake import Intake


class Stream(Protocol):
    """A connection; see ``listen.ipfix.protocol.Stream``."""

    @property
    def address(self) -> str:
        """The exporter's address."""

    @property
    def port(self) -> int:
        """The exporter's port."""

    @property
    def name(self) -> str:
        """Unique among all connections."""

    def begin(self) -> None:
        """Hand messages over from now on."""

    def end(self, reason: str) -> None:
        """Close it."""


class StreamIntake:
    """Fits ``listen.ipfix.protocol.StreamReceiver``."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._waiting: dict[Stream, None] = {}
        self._open: dict[Stream, str] = {}

    @property
    def waiting(self) -> int:
        """Connections that wait for the API's word."""
        return len(self._waiting)

    def opened(self, stream: Stream) -> None:
        """A connection stands: begin, wait for the API, or close it."""
        self._waiting[stream] = None
        verdict = self._intake.knock(stream.address, stream.port)
        if verdict is None:
            self._begin(stream)
        elif verdict is Verdict.UNREGISTERED:
            self._refuse(stream)

    def message(self, stream: Stream, data: bytes) -> None:
        """One message of a connection; nothing is taken of one whose session was given up."""
        key = self._open.get(stream)
        if key is not None and not self._intake.message(key, data):
            del self._open[stream]
            stream.end("device_changed")

    def closed(self, stream: Stream) -> None:
        """The connection is gone."""
        self._waiting.pop(stream, None)
        key = self._open.pop(stream, None)
        if key is not None:
            self._intake.close_stream(key)

    def answered(self, address: str) -> None:
        """The API said whose ``address`` is, or it is known from a list by now."""
        for stream in [stream for stream in self._waiting if stream.address == address]:
            self._begin(stream)

    def changed(self, changes: Changes) -> None:
        """Addresses belong to other devices now, or to none: their connections end, and come again.

        To be called before ``Intake.changed``. Those that wait are told by :meth:`answered`.
        """
        for stream, key in list(self._open.items()):
            if stream.address in changes.addresses:
                del self._open[stream]
                self._intake.close_stream(key)
                stream.end("device_changed")

    def sessions(self) -> Mapping[str, int]:
        """Address to the number of its connections that are open."""
        found: dict[str, int] = {}
        for stream in self._open:
            found[stream.address] = found.get(stream.address, 0) + 1
        return found

    def _begin(self, stream: Stream) -> None:
        if stream not in self._waiting:
            return  # answered already, while it was asked for
        del self._waiting[stream]
        key = f"{stream.address} {stream.name}"
        if self._intake.open_stream(key, stream.address):
            self._open[stream] = key
            stream.begin()
        else:
            stream.end("unregistered")

    def _refuse(self, stream: Stream) -> None:
        if self._waiting.pop(stream, self) is not self:
            stream.end("unregistered")
