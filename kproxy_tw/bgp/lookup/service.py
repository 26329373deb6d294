"""Lookups: every question about a router goes through here, so that all of them together keep to one rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from kproxy_tw.bgp.admission import Admission, NoRoom, Ticket
from kproxy_tw.bgp.interfaces import Backend, Parameters


class LookupService(Service):
    """The queue in front of ``Backend.parameters``; has the methods of ``Backend`` that ask and forget.

    :param admission: who is next.
    """

    def __init__(self, *, reactor: Any, backend: Backend, admission: Admission) -> None:
        self._reactor = reactor
        self._backend = backend
        self._admission = admission
        self._turns: dict[Ticket, Deferred[None]] = {}
        self._timer: IDelayedCall | None = None

    def stopService(self) -> None:
        """Give no more turns; those who wait are told that there is no room."""
        super().stopService()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        for ticket in tuple(self._turns):
            self._refuse(ticket, "kbgp is stopping")

    @property
    def pending(self) -> int:
        """How many wait for their turn or their answer."""
        return len(self._admission)

    def enter(self, device_ip: str) -> Ticket:
        """Take a place; give it back with :meth:`leave`.

        :raises NoRoom: too many wait.
        """
        ticket = self._admission.enter(device_ip, lambda: self._refuse(ticket, "a known router took the place"))
        self._turns[ticket] = Deferred()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give a place back."""
        self._turns.pop(ticket, None)
        self._admission.leave(ticket)

    async def turn(self, ticket: Ticket) -> None:
        """Wait until this place may ask. :raises NoRoom: a known router took it, or we are stopping."""
        self._give_turns()
        await self._turns[ticket]

    async def parameters(self, *, device_ip: str, device_port: int, proxy_ip: str, proxy_port: int) -> Parameters:
        """Wait for a turn, then ask; see ``interfaces.Backend``. Cancelling it gives the place up.

        :raises NoRoom: too many wait, or a known router took this place.
        """
        ticket = self.enter(device_ip)
        try:
            await self.turn(ticket)
            return await self._backend.parameters(
                device_ip=device_ip, device_port=device_port, proxy_ip=proxy_ip, proxy_port=proxy_port
            )
        finally:
            self.leave(ticket)

    def on_pushed(self, callback: Callable[[Parameters], None]) -> None:
        """See ``interfaces.Backend``."""
        self._backend.on_pushed(callback)

    def forget(self, device_ip: str) -> None:
        """See ``interfaces.Backend``."""
        self._backend.forget(device_ip)

    def _give_turns(self) -> None:
        ticket = self._admission.next(self._reactor.seconds())
        if ticket is not None:
            self._turns[ticket].callback(None)
        seconds = self._admission.wait_seconds(self._reactor.seconds())
        if seconds is not None and (self._timer is None or not self._timer.active()):
            self._timer = self._reactor.callLater(seconds, self._give_turns)

    def _refuse(self, ticket: Ticket, reason: str) -> None:
        turn = self._turns.get(ticket)
        if turn is not None and not turn.called:
            turn.errback(NoRoom(reason))
