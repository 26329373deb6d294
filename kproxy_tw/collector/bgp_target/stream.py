"""A Data stream as a session uses it, whatever carries it. Pure."""

from __future__ import annotations

from typing import Protocol

from kproxy_tw.bgp.metadata import Counts
from kproxy_tw.bgp.proto.ktbgp_pb2 import DataRequest, DataResponse
from kproxy_tw.errors import KproxyError


class StreamBroken(KproxyError):
    """The stream is gone without a word; the session may be resumed."""


class Stream(Protocol):
    """One Data stream. Its methods raise :exc:`StreamBroken`."""

    async def open(self, counts: Counts) -> None:
        """Send the initial metadata: the session, and how far this side has come."""

    async def read(self) -> DataRequest | None:
        """The next message of the agent; ``None`` when it has half-closed the stream."""

    async def write(self, response: DataResponse) -> None:
        """Send a message; returns when there is room for the next one."""
