"""DeviceIntake: a registered device that has sent something, and the walk of what it sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

from kproxy_tw.decode.blocks import Blocks
from kproxy_tw.decode.dispatch import walk_all
from kproxy_tw.decode.options import AS_SENT, DecodeOptions
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.sequences.book import SequenceBook
from kproxy_tw.decode.sflow.found import SflowFound
from kproxy_tw.decode.templates.released import released
from kproxy_tw.devices.events import EventList
from kproxy_tw.devices.recent import RecentHistory
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.devices.sflow import SflowDevice
from kproxy_tw.errors import MalformedInput, UnknownVersion
from kproxy_tw.inbox import Batch, Inbox
from kproxy_tw.ledger import History
from kproxy_tw.pipeline import DevicePipeline
from kproxy_tw.sample.overrides.rules import RateOverrides

SWEEP_SECONDS = 60.0
"""How often templates are looked for that were not sent again for too long."""

MAX_SESSIONS = 1024
"""Sessions of one device; the one that has been silent longest makes room."""

Complain = Callable[[str, str, str], None]
"""Told the device's name, the address and the problem of each datagram that was dropped."""


Route = Callable[[str, float], "DeviceIntake | None"]
"""Finds the device of an exporter address, told seconds since 1970; ``None`` when the address is no device's."""


@attrs.define(eq=False)
class DeviceIntake:
    """A registered device that has sent something, or takes part without that.

    :ivar first_seen, last_seen: seconds since 1970; 0 before it has sent anything.
    :ivar events: what happened to it that people should know.
    :ivar sessions: what is known of each exporter: its address, with the port where these are told apart by it.
    :ivar received, sent: histories of datagrams in and messages out; ``recent``: of records.
    :ivar route: where records go that name another exporter; ``None``: nowhere.
    :ivar options: what the operator chose about decoding.
    :ivar sflow: what it tells by sFlow besides flows.
    :ivar relayed_types: protocols of records that others have sent for it.
    :ivar overrides: rates that the operator set for single exporters.
    :ivar blocks: memory for datagrams that are walked together; shared by all devices.
    """

    pipeline: DevicePipeline
    first_seen: float
    last_seen: float
    complain: Complain
    events: EventList
    sessions: dict[str, ExporterSession] = attrs.field(factory=dict)
    received: History = attrs.field(factory=History)
    sent: History = attrs.field(factory=History)
    recent: RecentHistory = attrs.field(factory=RecentHistory)
    route: Route | None = None
    options: DecodeOptions = AS_SENT
    sflow: SflowDevice = attrs.field(factory=SflowDevice)
    relayed_types: set[str] = attrs.field(factory=set)
    overrides: RateOverrides = attrs.field(factory=RateOverrides)
    blocks: Blocks = attrs.field(factory=Blocks)

    def sample_history(self) -> None:
        """Take a reading of both counters; every ``ledger.SAMPLE_SECONDS``."""
        self.received.sample(self.pipeline.ledger.datagrams_received)
        self.sent.sample(self.pipeline.ledger.messages_sent)
        self.recent.sample(self.pipeline.ledger)

    def flow_types(self) -> set[str]:
        """The protocols that it sends."""
        return self.relayed_types.union(*(session.flow_types for session in self.sessions.values()))

    def template_counts(self) -> Mapping[str, int]:
        """Templates of all sessions: in force, waited for by data, and refused, evicted and expired so far."""
        caches = [session.templates for session in self.sessions.values()]
        return {
            "in_force": sum(len(cache) for cache in caches),
            "waiting": sum(len(cache.held) for cache in caches),
            "refused": sum(cache.refused for cache in caches),
            "evicted": sum(cache.evicted for cache in caches),
            "expired": sum(cache.expired for cache in caches),
        }

    def walk(self, inbox: Inbox) -> int:
        """Walk what waits in ``inbox``. :return: how many bytes that was."""
        size = 0
        for batch in inbox.take():
            size += sum(map(len, batch.datagrams))
            looks = self._walk(inbox.session, batch)
            inbox.walked(len(batch.datagrams), looks)
        return size

    def take_released(self, session: ExporterSession, now: float) -> None:
        """Take what waited for templates that have come, and what decoding noticed. ``now``: seconds since 1970."""
        for found in released(session.templates):
            self.overrides.apply(found.sets, session.address)
            self._take(found, now)
        for notice in session.templates.notices.take():
            self.events.notice(notice, now=now, source=session.key)

    def sweep(self, session: ExporterSession, now: float) -> None:
        """Give up what has waited too long for a template, and templates that are too old; once a second."""
        templates = session.templates
        if templates.options:
            templates.options.read(now)
        if templates.held.records:
            self.pipeline.ledger.drop("no_template", templates.held.expire(now))
        if abs(now - session.swept) >= SWEEP_SECONDS:
            session.swept = now
            templates.expire(now)
        for book in session.books():
            if book.waiting:
                book.settle(int(now * 1e9))
                self._sequences(session, book, now)

    def tick(self, now: float) -> None:
        """What is due once a second, whatever the number of sessions."""
        self.sflow.counters.tick()
        for notice in self.pipeline.notices.take():
            self.events.notice(notice, now=now)

    def forget(self, session: ExporterSession, reason: str = "no_template") -> None:
        """A session is over: what waited in it for templates is dropped for ``reason``."""
        self.sessions.pop(session.key, None)
        self.sflow.forget(session.address)
        self.pipeline.ledger.drop(reason, session.templates.close())

    def give_up_held(self, reason: str) -> None:
        """Drop what waits for templates in all sessions."""
        for session in self.sessions.values():
            self.pipeline.ledger.drop(reason, session.templates.held.clear())

    def _walk(self, session: ExporterSession, batch: Batch) -> int:
        """Walk a batch. :return: how many things were looked at one by one: blocks of records, breaks in sequences."""
        now = batch.received_ns[-1] / 1e9
        templates, ledger = session.templates, self.pipeline.ledger
        ledger.datagrams_received += len(batch.datagrams)
        self.first_seen, self.last_seen = self.first_seen or now, now
        templates.begin(batch.port, now)
        book = session.sequences_of(batch.port)
        breaks = book.breaks
        walks, problems = walk_all(batch.datagrams, templates, batch.received_ns, book, self.options, self.blocks)
        session.heard((found.flow_type for found in walks), len(batch.datagrams), now, batch.port)
        missing = False
        for found in walks:
            self.overrides.apply(found.sets, session.address)
            if found.sflow is not None:
                # Discarded packets join the others only here: agents tell of each one, so no rate is forced on them.
                self._take_sflow(session, found, found.sflow, now)
            self._take(found, now)
            missing = missing or found.held > 0 or found.no_template > 0
        if missing:
            self.events.add("no_template", session.missing_templates(), now=now, subject=session.key)
        self.take_released(session, now)
        self._sequences(session, book, now)
        self._drop(session, problems)
        return len(walks) + len(problems) + book.breaks - breaks

    def _take_sflow(self, session: ExporterSession, found: Walk, told: SflowFound, now: float) -> None:
        """Take what sFlow datagrams hold besides flows; discarded packets may become flows of ``found``."""
        agents = self.sflow.take(found, told, session.address, self.pipeline.device)
        if agents:
            text = f"{session.address} carries several sFlow agents, all counted for this device: {', '.join(agents)}"
            self.events.add("several_agents", text, now=now, subject=session.address)
        self.pipeline.ledger.receive(told.egress)
        self.pipeline.ledger.drop("egress", told.egress)

    def _take(self, found: Walk, now: float) -> None:
        """Take what a walk found; records of another registered device go to that one."""
        if self.route is not None:
            for records in [records for records in found.sets if records.exporter]:
                other = self.route(records.exporter, now)
                if other is not None and other is not self:
                    found.sets.remove(records)
                    found.records -= records.count
                    other.first_seen, other.last_seen = other.first_seen or now, now
                    other.relayed_types.add(found.flow_type)
                    self.overrides.apply([records], records.exporter)
                    other.pipeline.take(Walk(found.flow_type, [records], records.count))
        self.pipeline.take(found)

    def _sequences(self, session: ExporterSession, book: SequenceBook, now: float) -> None:
        news = book.news()
        self.pipeline.ledger.sequence_gaps += news.lost
        self.pipeline.ledger.sequence_seen += news.received
        for restarted in book.restarted():
            text = f"{session.key}: the exporter restarted: {restarted.label} began to count anew"
            self.events.add("exporter_restarted", text, now=now, subject=f"{session.key} {restarted.label}")

    def _drop(self, session: ExporterSession, problems: Iterable[MalformedInput]) -> None:
        for problem in problems:
            reason = "unknown_version" if isinstance(problem, UnknownVersion) else "malformed"
            self.pipeline.ledger.drop_datagram(reason)
            self.complain(self.pipeline.device.name, session.address, str(problem))
