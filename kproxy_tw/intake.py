"""Whose datagram is it? Finds the device of a source address and walks the datagram for it.

The way of a datagram from here: a registered source's is walked at once and its records wait in the device's
pipeline; one of an address never heard of is held, bounded, while the API is asked; one of an unregistered source is
counted and listed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from kproxy_tw.decode.dispatch import detect, walk_all
from kproxy_tw.decode.templates import TemplateCache
from kproxy_tw.devices.device import Device
from kproxy_tw.devices.registry import Changes, Registry
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.devices.sources import Sources, Verdict
from kproxy_tw.errors import MalformedInput, UnknownVersion
from kproxy_tw.ledger import History, Ledger
from kproxy_tw.pipeline import DevicePipeline


@attrs.define(eq=False)
class DeviceIntake:
    """A registered device that has sent something.

    :ivar sessions: what is known of each address it sends from.
    :ivar received, sent: histories of datagrams in and messages out.
    """

    pipeline: DevicePipeline
    first_seen: float
    last_seen: float
    sessions: dict[str, ExporterSession] = attrs.field(factory=dict)
    received: History = attrs.field(factory=History)
    sent: History = attrs.field(factory=History)

    def sample_history(self) -> None:
        """Take a reading of both counters; every ``ledger.SAMPLE_SECONDS``."""
        self.received.sample(self.pipeline.ledger.datagrams_received)
        self.sent.sample(self.pipeline.ledger.messages_sent)


INBOX_DATAGRAMS = 256
"""Datagrams of one exporter that wait at most, until the tick or the next one, to be walked together."""

INBOX_BYTES = 16 << 20
"""Bytes that wait so in all inboxes together; beyond it a datagram is walked at once, with those before it."""


@attrs.define(eq=False)
class Inbox:
    """What came from one address since it was last walked.

    :ivar received_ns: when each datagram came in, nanoseconds since 1970.
    """

    device: DeviceIntake
    session: ExporterSession
    datagrams: list[bytes] = attrs.field(factory=list)
    received_ns: list[int] = attrs.field(factory=list)


@attrs.frozen(kw_only=True)
class DeviceLife:
    """What else has to be done when a device sends for the first time, changes, and goes."""

    open: Callable[[Device], DevicePipeline]
    change: Callable[[DevicePipeline, Device], None]
    close: Callable[[DevicePipeline], None]


class Intake:
    """Takes every datagram that comes in.

    :param clock: ``seconds()`` gives monotonic seconds.
    :param wall_ns: gives nanoseconds since 1970.
    :param ask: asks the API whose an address is; :meth:`answered` is called with what it says.
    :param complain: told the device's name, the address and the problem of each datagram that was dropped.
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
        complain: Callable[[str, str, str], None],
    ) -> None:
        self._clock = clock
        self._wall_ns = wall_ns
        self._registry = registry
        self._sources = sources
        self._ask = ask
        self._life = life
        self._complain = complain
        self._inboxes: dict[str, Inbox] = {}
        self._waiting_bytes = 0
        self._retired: list[Ledger] = [Ledger()]
        self.devices: dict[int, DeviceIntake] = {}
        self.unregistered = Ledger()

    def datagram(self, data: bytes, address: str, port: int) -> None:
        """Take one datagram from the socket."""
        received_ns = self._wall_ns()
        inbox = self._inboxes.get(address) or self._first_of(address, received_ns)
        if inbox is None:
            self._of_stranger(data, address, port, received_ns)
        else:
            self._put(inbox, data, received_ns)

    def gather(self, pipeline: DevicePipeline) -> None:
        """Walk what has come for a device since the last time; before each of its ticks."""
        known = self.devices.get(pipeline.device.device_id)
        if known is not None:
            for address in known.sessions:
                self._walk(self._inboxes[address])

    def answered(self, address: str, device: Device | None) -> None:
        """The API said whose ``address`` is, or that it is nobody's: the held datagrams go their way."""
        held = self._sources.take(address)
        for datagram in held:
            inbox = self._inboxes.get(address) or self._first_of(address, datagram.received_ns)
            if device is None or inbox is None:
                self._drop_unregistered()
            else:
                self._put(inbox, datagram.payload, datagram.received_ns)

    def changed(self, changes: Changes) -> None:
        """The device list is another one: apply it to the devices that have sent something."""
        for address in changes.addresses:
            self._forget_address(address)
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

    def total(self) -> Ledger:
        """The sum over all devices, gone ones too, and unregistered sources."""
        self._fold_retired()
        present = [device.pipeline.ledger for device in self.devices.values()]
        return Ledger.total([self.unregistered, *self._retired, *present])

    def _first_of(self, address: str, received_ns: int) -> Inbox | None:
        device = self._registry.by_address(address)
        if device is None:
            return None
        now = received_ns / 1e9
        intake = self.devices.get(device.device_id)
        if intake is None:
            intake = self.devices[device.device_id] = DeviceIntake(self._life.open(device), now, now)
        session = ExporterSession(address=address, templates=TemplateCache(), first_seen=now, last_seen=now)
        intake.sessions[address] = session
        inbox = self._inboxes[address] = Inbox(intake, session)
        self._sources.known(address)
        return inbox

    def _put(self, inbox: Inbox, data: bytes, received_ns: int) -> None:
        inbox.datagrams.append(data)
        inbox.received_ns.append(received_ns)
        self._waiting_bytes += len(data)
        if len(inbox.datagrams) >= INBOX_DATAGRAMS or self._waiting_bytes > INBOX_BYTES:
            self._walk(inbox)

    def _walk(self, inbox: Inbox) -> None:
        datagrams, received_ns = inbox.datagrams, inbox.received_ns
        if not datagrams:
            return
        inbox.datagrams, inbox.received_ns = [], []
        self._waiting_bytes -= sum(map(len, datagrams))
        device, session, pipeline = inbox.device, inbox.session, inbox.device.pipeline
        pipeline.ledger.datagrams_received += len(datagrams)
        device.last_seen = received_ns[-1] / 1e9
        walks, problems = walk_all(datagrams, session.templates, received_ns)
        session.heard((found.flow_type for found in walks), len(datagrams), device.last_seen)
        for found in walks:
            pipeline.take(found)
        for problem in problems:
            pipeline.ledger.drop_datagram("unknown_version" if isinstance(problem, UnknownVersion) else "malformed")
            self._complain(pipeline.device.name, session.address, str(problem))

    def _of_stranger(self, data: bytes, address: str, port: int, received_ns: int) -> None:
        try:
            flow_type = detect(data)
        except MalformedInput:
            flow_type = "unknown"
        verdict = self._sources.arrived(
            address, port, data, flow_type=flow_type, now=self._clock.seconds(), received_ns=received_ns
        )
        if verdict is Verdict.UNREGISTERED:
            self._drop_unregistered()
        elif verdict is Verdict.ASK:
            self._ask(address)

    def _drop_unregistered(self) -> None:
        self.unregistered.datagrams_received += 1
        self.unregistered.drop_datagram("unregistered")

    def _forget_address(self, address: str) -> None:
        inbox = self._inboxes.pop(address, None)
        if inbox is not None:
            self._walk(inbox)
            del inbox.device.sessions[address]

    def _close(self, device: Device) -> None:
        gone = self.devices.pop(device.device_id, None)
        if gone is None:
            return
        for address in list(gone.sessions):
            self._forget_address(address)
        gone.pipeline.discard("unregistered")
        self._life.close(gone.pipeline)
        self._retired.append(gone.pipeline.ledger)

    def _fold_retired(self) -> None:
        folded, *others = self._retired
        self._retired = [folded]
        for ledger in others:
            if ledger.records_in_flight:
                self._retired.append(ledger)
            else:
                folded.add(ledger)
