"""What kproxy says on its health port."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest

from kproxy_tw.interfaces import ProxyStatus
from kproxy_tw.logbook import LogBook
from kproxy_tw.status import Check
from kproxy_tw.web import documents, metrics
from kproxy_tw.web.answering import JSON, answer, answer_json, wants_pretty
from kproxy_tw.web.encoding import Document, encode
from kproxy_tw.web.pages.source import KproxyPages
from kproxy_tw.web.sharing import SharedState, Sharing
from kproxy_tw.web.snapshot import Snapshot, daemon_in_slices
from kproxy_tw.web.statusport.app import Handler
from kproxy_tw.web.taps import Taps, as_events, as_text

_DEVICE_ID = re.compile("[0-9]{1,19}", re.ASCII)


class KproxyAnswers:
    """Fits ``statusport.app.OwnAnswers``.

    :param status: whom to ask, at each request.
    :param reactor: provides the time.
    :param book: of the log.
    :param token: for the form that changes the log's level.
    :param shared: what is known of exporters, for other kproxys.
    """

    brand = "kproxy"

    def __init__(
        self, status: ProxyStatus, reactor: Any, book: LogBook, token: str, shared: SharedState | None = None
    ) -> None:
        self._sharing = Sharing(shared)
        self._status = status
        self._reactor = reactor
        self._taps = Taps(status, reactor)
        self.pages = KproxyPages(status, reactor, book, token)

    def checks(self) -> Sequence[Check]:
        """See ``OwnAnswers``."""
        return self._status.checks()

    def health(self, checks: Sequence[Check]) -> Document:
        """See ``OwnAnswers``."""
        return documents.health(checks, self._status.now())

    def status(self, *, pretty: bool) -> Deferred[bytes]:
        """The process as a whole."""
        return Deferred.fromCoroutine(self._daemon(pretty=pretty))

    def metrics(self) -> Deferred[bytes]:
        """The ledger."""
        return self.pages.in_turn(metrics.exposition)

    def details(self) -> Mapping[str, Handler]:
        """Devices, their taps, and what is known of exporters."""
        return {
            "/admin/devices": self._devices,
            "/admin/devices/<device_id>": self._device,
            "/admin/exporters": self._exporters,
            "/devices/<int:device_id>/tap.txt": self._tap_text,
            "/devices/<int:device_id>/tap.events": self._tap_events,
        }

    async def _daemon(self, *, pretty: bool) -> bytes:
        daemon, _cost = await daemon_in_slices(self._status, self._reactor)
        return encode(documents.status(daemon), pretty=pretty)

    async def _devices(self, request: IRequest) -> bytes:
        """Devices and unregistered sources."""
        pretty = wants_pretty(request)

        def make(now: Snapshot) -> bytes:
            return encode(documents.devices(now.devices, now.unregistered), pretty=pretty)

        return answer(request, await self.pages.in_turn(make), JSON)

    async def _device(self, request: IRequest, device_id: str) -> bytes:
        """One device."""
        describe = self._status.hold(int(device_id)) if _DEVICE_ID.fullmatch(device_id) else None
        if describe is None:
            return answer_json(request, {"error": "no device with this id has sent flow since the start"}, 404)
        pretty, make = wants_pretty(request), describe
        body = await self.pages.in_thread(lambda: encode(documents.device(make()), pretty=pretty))
        return answer(request, body, JSON)

    async def _exporters(self, request: IRequest) -> bytes:
        """What is known of exporters, for other kproxys."""
        return await self._sharing.answer(request)

    def _tap_text(self, request: IRequest, device_id: int) -> bytes | Deferred[None]:
        """The records of a device as they are sent, as lines of text."""
        return self._taps.answer(request, device_id, as_text)

    def _tap_events(self, request: IRequest, device_id: int) -> bytes | Deferred[None]:
        """The same as server-sent events."""
        return self._taps.answer(request, device_id, as_events)
