"""Whose datagram is it? Finds the device of a source address and walks the datagram for it.

The way of a datagram from here: a registered source's is walked at once and its records wait in the device's
pipeline; one of an address never heard of is held, bounded, while the API is asked; one of an unregistered source is
counted and listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import attrs

from kproxy_tw.admission import Admission, Arrived
from kproxy_tw.decode.blocks import Blocks
from kproxy_tw.decode.dispatch import SFLOW_5, detect
from kproxy_tw.decode.options import AS_SENT, DecodeOptions
from kproxy_tw.decode.sflow.agents import agent_or
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.held import HeldLimits
from kproxy_tw.decode.templates.room import MAX_TEMPLATES, StateRoom
from kproxy_tw.decode.templates.table import TemplateLimits
from kproxy_tw.deviceintake import MAX_SESSIONS, Complain, DeviceIntake
from kproxy_tw.devices.device import Device, canonical_address
from kproxy_tw.devices.events import Event, EventList
from kproxy_tw.devices.registry import Changes, Registry
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.devices.sources import Sources, Verdict
from kproxy_tw.errors import MalformedInput
from kproxy_tw.inbox import PLACE_BYTES, Inbox
from kproxy_tw.ledger import Ledger, RetiredLedgers
from kproxy_tw.pipeline import DevicePipeline
from kproxy_tw.sample.overrides.rules import RateOverrides
from kproxy_tw.shedding import Shedding
from kproxy_tw.status import shown_address

CONNECTION_SECONDS = float("inf")
"""How long templates of a connection hold without being sent again: as long as it lasts (RFC 7011 section 8)."""

INBOX_BYTES = 32 << 20
"""Bytes that wait in all inboxes together; with more, some are walked at once."""

RELIEF_BYTES = 2 << 20
"""How many: no fewer than can come in one step."""


@attrs.frozen(kw_only=True)
class SessionConfig:
    """What one exporter, and all together, may make us remember.

    :ivar by_port: each source port of an address is a session of its own (RFC 7011 section 8.4).
    :ivar limits: of one session.
    :ivar max_templates: of all sessions together.
    :ivar held: of data that came before its template.
    """

    by_port: bool = False
    limits: TemplateLimits = attrs.Factory(TemplateLimits)
    max_templates: int = MAX_TEMPLATES
    held: HeldLimits = attrs.Factory(HeldLimits)


@attrs.frozen(kw_only=True)
class DeviceLife:
    """What else is done when a device sends for the first time, changes, goes, and when something happens to it."""

    open: Callable[[Device], DevicePipeline]
    change: Callable[[DevicePipeline, Device], None]
    close: Callable[[DevicePipeline], None]
    tell: Callable[[Device, Event], None] = lambda _device, _event: None


def _of_address(
    registry: Registry, of_device: Callable[[Device, float], DeviceIntake], address: str, now: float
) -> DeviceIntake | None:
    """The device of an address, in its canonical spelling; ``None`` when it is not registered."""
    device = registry.by_address(address)
    return None if device is None else of_device(device, now)


def _of_exporter(
    registry: Registry, of_device: Callable[[Device, float], DeviceIntake], address: str, now: float
) -> DeviceIntake | None:
    """The device of an exporter that records name."""
    return _of_address(registry, of_device, canonical_address(address), now)


def _new_session(
    limits: TemplateLimits, room: StateRoom, address: str, key: str, now: float, *, stream: bool, decap: bool
) -> ExporterSession:
    """The session of an exporter that is heard of for the first time, at ``now``, seconds since 1970."""
    if stream:
        limits = attrs.evolve(limits, seconds=CONNECTION_SECONDS)
    templates = TemplateCache(limits, room=room, withdrawable=stream, decap=decap)
    templates.now = now
    return ExporterSession(
        address=address, key=key, templates=templates, first_seen=now, last_seen=now, persistent=not stream
    )


def _drop_unregistered(ledger: Ledger) -> None:
    ledger.datagrams_received += 1
    ledger.drop_datagram("unregistered")


class Intake:
    """Takes every datagram that comes in.

    :param clock: ``seconds()`` gives monotonic seconds.
    :param wall_ns: gives nanoseconds since 1970.
    :param ask: asks the API whose an address is; :meth:`answered` is called with what it says.
    :param complain: told the device's name, the address and the problem of each datagram that was dropped.
    :param config: what exporters may make us remember.
    :param options: what the operator chose about decoding.
    :param adopt: gives a new session what is known of it from before a restart.
    :param overrides: rates that the operator set for single exporters.
    :ivar receiver: takes the datagrams from the sockets.
    :ivar shedding: decides who gives way while the sockets' readers fall behind.
    :ivar room: what all exporters together may make us remember.
    :ivar devices: device id to the devices that have sent something.
    :ivar unregistered: what came from sources that belong to no device.
    """

    def __init__(
        self,
        *,
        clock: Any,
        wall_ns: Callable[[], int],
        registry: Registry,
        sources: Sources,
        ask: Callable[[str], None],
        life: DeviceLife,
        complain: Complain,
        config: SessionConfig | None = None,
        options: DecodeOptions = AS_SENT,
        adopt: Callable[[DeviceIntake, ExporterSession], None] = lambda _device, _session: None,
        overrides: RateOverrides | None = None,
    ) -> None:
        self._clock = clock
        self._wall_ns = wall_ns
        self._registry = registry
        self._sources = sources
        self._ask = ask
        self._life = life
        self._complain = complain
        self._config = config or SessionConfig()
        self._options = options
        self._adopt = adopt
        self._overrides = RateOverrides() if overrides is None else overrides
        plain = not (self._config.by_port or options.agent_address)
        self.receiver = self.datagrams if plain else self.datagrams_told_apart
        self.room = StateRoom(templates=self._config.max_templates, held=self._config.held)
        self.shedding = Shedding()
        self._inboxes: dict[str, Inbox] = {}
        self._waiting_bytes = 0
        self._blocks = Blocks()
        self._retired = RetiredLedgers()
        self.devices: dict[int, DeviceIntake] = {}
        self.unregistered = Ledger()
        self._admission = Admission(
            shedding=self.shedding,
            whose=partial(_of_address, registry, self.of_device),
            strangers=self.unregistered,
        )

    def datagrams(self, arrived: Iterable[Arrived]) -> None:
        """Take what a socket was read of in one step, in the order of arrival."""
        received_ns = self._wall_ns()
        inboxes, size = self._inboxes, 0
        if self.shedding.active:
            arrived = self._admission.admitted(arrived, received_ns / 1e9)
        try:
            for data, (address, port) in arrived:
                inbox = inboxes.get(address) or self._first_of(address, address, received_ns)
                if inbox is None:
                    self._of_stranger(data, address, port, received_ns)
                    continue
                # As Inbox.put() does: this is done for every datagram, and a call costs as much as all the rest.
                if port != inbox.port:
                    inbox.turn_to(port)
                waiting = inbox.datagrams
                waiting.append(data)
                inbox.received_ns.append(received_ns)
                length = len(data)
                size += length
                if length > PLACE_BYTES:
                    inbox.has_long(length)
                if len(waiting) >= inbox.most and inbox.is_full():
                    size -= inbox.device.walk(inbox)
        finally:
            self._waiting_bytes += size
        if self._waiting_bytes > INBOX_BYTES:
            self._relieve()

    def datagrams_told_apart(self, arrived: Iterable[Arrived]) -> None:
        """The same where exporters are told apart by more than their address; see :attr:`receiver`."""
        received_ns = self._wall_ns()
        for data, (source, port) in arrived:
            by_agent = self._options.agent_address and data[:4] == SFLOW_5
            address = agent_or(data, source) if by_agent else source
            if self.shedding.active and not self._admission.admits(address, received_ns / 1e9):
                continue
            key = shown_address(address, port) if self._config.by_port else address
            inbox = self._inboxes.get(key) or self._first_of(address, key, received_ns)
            if inbox is None:
                self._of_stranger(data, address, port, received_ns)
            else:
                self._put(inbox, data, port, received_ns)

    def knock(self, address: str, port: int) -> Verdict | None:
        """Somebody opened a connection. :return: ``None`` when it is a device's address; else what becomes of it."""
        if self._registry.by_address(address) is not None:
            return None
        verdict = self._sources.arrived(
            address, port, b"", flow_type="ipfix", now=self._clock.seconds(), received_ns=self._wall_ns()
        )
        if verdict is Verdict.ASK:
            self._ask(address)
        return verdict

    def open_stream(self, key: str, address: str) -> bool:
        """Take messages of a connection from now on. :return: whether ``address`` is a device's."""
        return self._first_of(address, key, self._wall_ns(), stream=True) is not None

    def message(self, key: str, data: bytes) -> bool:
        """Take one message of an open connection. :return: whether its session is still there."""
        inbox = self._inboxes.get(key)
        if inbox is None:
            return False
        self._put(inbox, data, 0, self._wall_ns())
        return True

    def close_stream(self, key: str) -> None:
        """A connection is gone, and the templates with it; nothing is left of one that was forgotten before."""
        self._forget(key)

    def gather(self, pipeline: DevicePipeline) -> None:
        """Walk what has come for a device since the last time; before each of its ticks."""
        known = self.devices.get(pipeline.device.device_id)
        if known is None:
            return
        now = self._wall_ns() / 1e9
        for key, session in known.sessions.items():
            self._waiting_bytes -= known.walk(self._inboxes[key])
            known.sweep(session, now)
        known.tick(now)

    def answered(self, address: str, device: Device | None) -> None:
        """The API said whose ``address`` is, or that it is nobody's: the held datagrams go their way."""
        held = self._sources.take(address)
        for datagram in (datagram for datagram in held if datagram.payload):
            key = shown_address(address, datagram.port) if self._config.by_port else address
            inbox = self._inboxes.get(key) or self._first_of(address, key, datagram.received_ns)
            if device is None or inbox is None:
                _drop_unregistered(self.unregistered)
            else:
                self._put(inbox, datagram.payload, datagram.port, datagram.received_ns)

    def changed(self, changes: Changes) -> None:
        """The device list is another one: apply it to the devices that have sent something."""
        for key in [key for key, inbox in self._inboxes.items() if inbox.session.address in changes.addresses]:
            address, loser = self._inboxes[key].session.address, self._inboxes[key].device
            text = f"{address} is this device's address no longer"
            loser.events.add("address_lost", text, now=self._wall_ns() / 1e9, subject=address)
            self._forget(key)
        for device in changes.removed:
            self._close(device)
        for device in changes.changed:
            known = self.devices.get(device.device_id)
            if known is not None:
                known.pipeline.update(device, self._clock.seconds())
                self._life.change(known.pipeline, device)

    def has(self, pipeline: DevicePipeline) -> bool:
        """Whether ``pipeline`` is that of a device which is still registered."""
        known = self.devices.get(pipeline.device.device_id)
        return known is not None and known.pipeline is pipeline

    def sample_histories(self) -> None:
        """Take a reading of every device's counters; every ``ledger.SAMPLE_SECONDS``."""
        for device in self.devices.values():
            device.sample_history()

    def ledgers(self) -> Sequence[Ledger]:
        """Those of all devices, the sum of gone ones, and that of unregistered sources."""
        present = [device.pipeline.ledger for device in self.devices.values()]
        return [self.unregistered, self._retired.total(), *present]

    def _first_of(self, address: str, key: str, received_ns: int, *, stream: bool = False) -> Inbox | None:
        """Make the session and inbox of an exporter; ``None`` when the address is no device's."""
        device = self._registry.by_address(address)
        if device is None:
            return None
        now = received_ns / 1e9
        intake = self.of_device(device, now)
        if len(intake.sessions) >= MAX_SESSIONS:
            self._forget(min(intake.sessions.values(), key=lambda session: session.last_seen).key)
        session = _new_session(
            self._config.limits, self.room, address, key, now, stream=stream, decap=self._options.decap
        )
        intake.sessions[key] = session
        inbox = self._inboxes[key] = Inbox(intake, session)
        self._sources.known(address)
        if session.persistent:
            self._adopt(intake, session)
        return inbox

    def of_device(self, device: Device, now: float) -> DeviceIntake:
        """What there is of a device; made when it takes part for the first time.

        :param now: seconds since 1970; 0 when it has not sent anything.
        """
        known = self.devices.get(device.device_id)
        if known is None:
            events = EventList(partial(self._life.tell, device))
            known = DeviceIntake(self._life.open(device), now, now, self._complain, events)
            known.options, known.overrides, known.blocks = self._options, self._overrides, self._blocks
            if self._options.exporter_address:
                known.route = partial(_of_exporter, self._registry, self.of_device)
            self.devices[device.device_id] = known
        return known

    def _put(self, inbox: Inbox, data: bytes, port: int, received_ns: int) -> None:
        inbox.put(data, port, received_ns)
        self._waiting_bytes += len(data)
        if len(inbox.datagrams) >= inbox.most and inbox.is_full():
            self._waiting_bytes -= inbox.device.walk(inbox)
        elif self._waiting_bytes > INBOX_BYTES:
            self._relieve()

    def _relieve(self) -> None:
        """Too much waits: walk some of it."""
        goal = self._waiting_bytes - RELIEF_BYTES
        for inbox in self._inboxes.values():
            if self._waiting_bytes <= goal:
                return
            self._waiting_bytes -= inbox.device.walk(inbox)

    def _of_stranger(self, data: bytes, address: str, port: int, received_ns: int) -> None:
        try:
            flow_type = detect(data)
        except MalformedInput:
            flow_type = "unknown"
        verdict = self._sources.arrived(
            address, port, data, flow_type=flow_type, now=self._clock.seconds(), received_ns=received_ns
        )
        if verdict is Verdict.UNREGISTERED:
            _drop_unregistered(self.unregistered)
        elif verdict is Verdict.ASK:
            self._ask(address)

    def _forget(self, key: str) -> None:
        inbox = self._inboxes.pop(key, None)
        if inbox is not None:
            self._waiting_bytes -= inbox.device.walk(inbox)
            inbox.device.forget(inbox.session)

    def _close(self, device: Device) -> None:
        gone = self.devices.pop(device.device_id, None)
        if gone is None:
            return
        for key in list(gone.sessions):
            self._forget(key)
        gone.pipeline.discard("unregistered")
        self._life.close(gone.pipeline)
        self._retired.add(gone.pipeline.ledger)
