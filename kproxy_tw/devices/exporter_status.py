"""What is known of a device's exporters, as values for page and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kproxy_tw.decode.templates.described import DOMAIN_MASK, Described, describe_options
from kproxy_tw.decode.unknown import inventory
from kproxy_tw.devices.events import Event
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.sample.rates import RateInUse
from kproxy_tw.status import EventStatus, ExporterStatus, RateStatus

MAX_WAITING = 20
"""Templates that data waits for, in the status of a session."""


def exporter_status(
    sessions: Mapping[str, ExporterSession], rates: Iterable[RateInUse], events: Iterable[Event]
) -> ExporterStatus:
    """Everything but templates and sequences, which have places of their own."""
    ordered = [session for _key, session in sorted(sessions.items())]
    return ExporterStatus(
        sessions=tuple(_session(session) for session in ordered),
        rates=tuple(RateStatus(rate=one.rate, origin=one.origin, flows=one.flows) for one in rates),
        options=tuple(
            {"source": session.key, **describe_options(version, domain, options)}
            for session in ordered
            for (version, domain), options in sorted(session.templates.store.domains.items())
            if options
        ),
        unknown=tuple({"source": session.key, **entry} for session in ordered for entry in _unknown(session)),
        events=tuple(
            EventStatus(kind=event.kind, text=event.text, first=event.first, last=event.last, count=event.count)
            for event in events
        ),
    )


def _session(session: ExporterSession) -> Described:
    templates = session.templates
    waiting = list(templates.held.waiting())
    return {
        "source": session.key,
        "address": session.address,
        "ports": dict(session.ports),
        "datagrams": session.datagrams,
        "first_seen": session.first_seen,
        "last_seen": session.last_seen,
        "restored_age": session.restored_age,
        "templates": len(templates),
        "refused": templates.refused,
        "last_refusal": templates.last_refusal,
        "evicted": templates.evicted,
        "expired": templates.expired,
        "held_records": templates.held.records,
        "held_bytes": templates.held.bytes,
        "waiting": [
            {"version": key[0], "domain": key[1] & DOMAIN_MASK, "id": key[2], "sets": sets}
            for key, sets in waiting[:MAX_WAITING]
        ],
        "options_left_aside": templates.options.left_aside,
        "conflicts": [
            {"version": version, "domain": domain, "ports": templates.splits.ports(version, domain)}
            for version, domain in templates.splits.proved()
        ],
    }


def _unknown(session: ExporterSession) -> Iterable[Mapping[str, object]]:
    return inventory(template.layout for template in session.templates.store.templates.values())
