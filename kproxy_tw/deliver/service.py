"""DeliveryService: the senders of all devices, and their drained stop."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from kproxy_tw.backoff import Uniform
from kproxy_tw.deliver.breaker import Breaker
from kproxy_tw.deliver.client import DeviceSender
from kproxy_tw.deliver.config import DeliverConfig
from kproxy_tw.deliver.keeper import Keeper, Letters
from kproxy_tw.deliver.lanes.client import DeviceSessions
from kproxy_tw.deliver.queue import SharedRoom
from kproxy_tw.deliver.spool.record import Origin
from kproxy_tw.deliver.target import Recipient, sender_id
from kproxy_tw.interfaces import UpstreamSession
from kproxy_tw.ledger import Ledger
from kproxy_tw.offload import Offload
from kproxy_tw.status import Check, EndpointStatus


class DeliveryService(Service):
    """Owns every sender. It is to be stopped after the last message has come.

    :param new_sessions: makes the two sessions of one device; they connect when they are first used.
    :param url: the flow endpoint.
    :param offload: splits messages away from the reactor.
    :param keeper: has messages that memory has no room for, and those that are left at a stop.
    :param letters: has messages that the backend refuses for good.
    :param wall: seconds since 1970.
    :param uniform: draws the jitter of the waits.
    """

    log = Logger()

    def __init__(
        self,
        *,
        reactor: Any,
        new_sessions: Callable[[], DeviceSessions],
        url: str,
        config: DeliverConfig,
        offload: Offload,
        keeper: Keeper | None = None,
        letters: Letters | None = None,
        wall: Callable[[], float] = time.time,
        uniform: Uniform = random.uniform,
    ) -> None:
        self._reactor = reactor
        self._new_sessions = new_sessions
        self._url = url
        self._config = config
        self._offload = offload
        self._keeper = keeper
        self._letters = letters
        # A ledger of which records are in flight is kept by whoever counts them.
        self._books: WeakValueDictionary[Origin, Ledger] = WeakValueDictionary()
        self._wall = wall
        self._uniform = uniform
        self._room = SharedRoom(config.max_total_bytes)
        self._breaker = Breaker(config.hold_seconds)
        self._senders: dict[int, DeviceSender] = {}
        self._leaving: set[Deferred[None]] = set()

    def stopService(self) -> Deferred[None]:
        """Send what waits, ``config.drain_seconds`` at most; fires when all is sent or dropped, and all is closed."""
        super().stopService()
        for device_id in list(self._senders):
            self._drain(device_id, "shutdown")
        return DeferredList(list(self._leaving)).addCallback(lambda _all: None)

    def sender(self, device: Recipient, ledger: Ledger) -> DeviceSender:
        """Return the sender of ``device``, a new one if it has none; its name is brought up to date.

        :param ledger: the device's; a sender keeps the one that it was made with.
        """
        sender = self._senders.get(device.device_id)
        if sender is not None:
            sender.rename(sender_id(device))
            return sender
        sender = DeviceSender(
            reactor=self._reactor,
            sessions=self._new_sessions(),
            url=self._url,
            sender_id=sender_id(device),
            ledger=ledger,
            config=self._config,
            room=self._room,
            breaker=self._breaker,
            offload=self._offload,
            origin=self._new_origin(device.device_id, ledger),
            keeper=self._keeper,
            letters=self._letters,
            wall=self._wall,
            uniform=self._uniform,
        )
        self._senders[device.device_id] = sender
        return sender

    def remove(self, device_id: int) -> Deferred[None]:
        """Drop what waits for a device that is no longer registered; only the message under way may still arrive.

        :return: fires when its sessions are closed; at once if it has no sender.
        """
        sender = self._senders.get(device_id)
        if sender is None:
            return DeferredList([]).addCallback(lambda _none: None)
        sender.discard("unregistered")
        return self._drain(device_id, "unregistered")

    def polled_session(self, device_id: int) -> UpstreamSession | None:
        """The session of a device for what is polled from it; ``None`` when it has no sender."""
        sender = self._senders.get(device_id)
        return None if sender is None else sender.sessions.snmp

    def endpoint(self) -> EndpointStatus:
        """How the flow endpoint fares: the latest attempt of any device, and the soonest one to come."""
        senders = self._senders.values()
        if not senders:
            return EndpointStatus(url=self._url, connected=False)
        latest = max(senders, key=lambda sender: sender.standing.last_attempt).standing.status()
        return EndpointStatus(
            url=self._url,
            connected=latest.connected,
            last_status=latest.last_status,
            last_error=latest.last_error,
            retry_in_ms=min(filter(None, (sender.standing.retry_in_ms for sender in senders)), default=0),
        )

    def waiting(self) -> Mapping[str, int]:
        """What waits to be sent: ``Messages``, ``Bytes``, ``OldestMs``, and ``MaxBytes`` that may."""
        senders, now = self._senders.values(), self._reactor.seconds()
        return {
            "Messages": sum(sender.standing.queued for sender in senders),
            "Bytes": self._room.bytes,
            "OldestMs": max((sender.standing.oldest_ms(now) for sender in senders), default=0),
            "MaxBytes": self._config.max_total_bytes,
        }

    def highwater(self, device_id: int) -> int:
        """The most messages that ever waited for a device; 0 if it has no sender."""
        sender = self._senders.get(device_id)
        return sender.standing.highwater if sender else 0

    def bytes_sent(self) -> int:
        """Of all messages that the present senders have delivered."""
        return sum(sender.bytes_sent for sender in self._senders.values())

    def healthy(self) -> bool:
        """Whether the backend takes messages of some device at least, as far as anybody has tried."""
        if self._breaker.is_open:
            return False
        errors = [sender.standing.last_error for sender in self._senders.values()]
        return not errors or not all(errors)

    def ledger(self, origin: Origin) -> Ledger | None:
        """Where the flows of messages stand that were numbered under ``origin``; ``None`` if not in this run."""
        return self._books.get(origin)

    def check(self) -> Check:
        """The check ``delivery``: failing while any device's delivery is."""
        senders, now = self._senders.values(), self._reactor.seconds()
        failing = [(sender, problem) for sender in senders if (problem := sender.standing.problem(now))]
        if failing:
            detail = f"{len(failing)} of {len(senders)} devices: {failing[0][1]}"
            seconds = max(sender.standing.seconds_without_success(now) for sender, _problem in failing)
            return Check(name="delivery", status="failing", detail=detail, seconds=seconds)
        waiting = sum(sender.standing.queued for sender in senders)
        return Check(name="delivery", status="ok", detail=f"{waiting} messages of {len(senders)} devices wait")

    def _new_origin(self, device_id: int, ledger: Ledger) -> Origin:
        """Make what a sender numbers its messages under: its own, for a device may come back with another ledger."""
        origin = uuid4(), device_id
        self._books[origin] = ledger
        return origin

    def _drain(self, device_id: int, reason: str) -> Deferred[None]:
        sender = self._senders.pop(device_id)
        done: Deferred[None] = Deferred()
        self._leaving.add(done)
        draining = Deferred.fromCoroutine(sender.drain(self._config.drain_seconds, reason))
        draining.addErrback(self._not_drained, sender.sender_id)
        draining.addCallback(lambda _none: self._left(done))
        return done

    def _not_drained(self, failure: Failure, sender: str) -> None:
        self.log.failure("the sender of {sender} did not stop in order", failure, sender=sender)

    def _left(self, done: Deferred[None]) -> None:
        self._leaving.discard(done)
        done.callback(None)
