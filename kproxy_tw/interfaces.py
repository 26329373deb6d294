"""The seams that two implementations share, with their contracts.

They are typing protocols: an object fits when it has the members. Each is crossed by a real
implementation and by a fake in ``kproxy_tw.testing`` or by several real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kproxy_tw.decode.records import RecordSet
from kproxy_tw.flowbatch import FlowBatch
from kproxy_tw.ledger import Ledger
from kproxy_tw.status import Check, DaemonStatus, DeviceStatus, LimitStatus, TapStatus, UnregisteredStatus


class RecordLayout(Protocol):
    """How the records of one template (or of one fixed format) are laid out; immutable and hashable by identity."""

    @property
    def flow_type(self) -> str:
        """``netflow1``, ``5``, ``7``, ``9``, ``ipfix`` or ``sflow``."""

    @property
    def flows_per_record(self) -> int:
        """The most flows that a record may become: 2 where records may tell of both directions, else 1."""

    def columns(
        self, sets: Sequence[RecordSet], chosen: npt.NDArray[np.intp] | None, wanted: Collection[str] = frozenset()
    ) -> FlowBatch:
        """Decode records into columns; runs in a worker thread. The ledger counts records, not the flows they become.

        :param sets: record sets of this layout, in the order of arrival.
        :param chosen: ascending indices into the records of all sets together, or ``None`` for all of them.
        :param wanted: names of the device's custom columns as ``decode.custom.folded`` spells them; others need not be
            filled.
        :raises MalformedInput: the bytes cannot be decoded.
        """


class ProxyStatus(Protocol):
    """What the health port asks of the proxy. Every call is cheap and does no I/O."""

    def now(self) -> float:
        """Seconds since 1970."""

    def ledgers(self) -> Sequence[Ledger]:
        """The books of every device, and those that belong to none: what adds up to the totals."""

    def daemon(self, totals: Ledger) -> DaemonStatus:
        """The process as a whole. :param totals: the sum of :meth:`ledgers`."""

    def devices(self) -> Iterator[DeviceStatus]:
        """Registered devices that have sent something since the start; each is looked at when it is asked for."""

    def hold(self, device_id: int) -> Callable[[], DeviceStatus] | None:
        """What makes the whole status of one of :meth:`devices`; ``None`` when it has not sent anything.

        To be called in a thread: describing what some exporters teach takes longer than the reactor may be held up.
        """

    def tap(self, device_id: int) -> TapStatus | None:
        """A device's last flows; more of them come while somebody asks. ``None``: no such device."""

    def unregistered(self) -> Sequence[UnregisteredStatus]:
        """Unregistered sources of the last 30 minutes, oldest first."""

    def checks(self) -> Sequence[Check]:
        """The checks behind ``/hc``."""

    def limits(self) -> Sequence[LimitStatus]:
        """What may not grow without end."""


class Answer(Protocol):
    """What an HTTP server answered."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields by lower-case name."""

    @property
    def body(self) -> bytes:
        """The whole body."""


class UpstreamSession(Protocol):
    """One persistent HTTPS session to the backend."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 30.0,
        limit: int = 1 << 20,
    ) -> Answer:
        """Send one request and read the whole answer. Credentials are added; redirects are not followed.

        :param seconds: outer time limit for connecting, sending and reading the answer's last byte.
        :param limit: largest acceptable answer body in bytes.
        :raises UpstreamError: no connection, TLS refused, time is up, or the answer is too large.
        """

    async def close(self) -> None:
        """Close the connection; a request under way fails with :exc:`UpstreamError`."""
