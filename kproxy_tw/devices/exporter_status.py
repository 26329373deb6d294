"""What is known of a device's exporters, as values for page and JSON.

Describing all that some exporters teach takes longer than the reactor may be held up. So what goes on changing is
copied there, and described in any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import attrs

from kproxy_tw.decode.optiondata.domain import OptionTables
from kproxy_tw.decode.templates.described import (
    DOMAIN_MASK,
    MAX_FIELDS,
    Described,
    describe_options,
    describe_templates,
)
from kproxy_tw.decode.templates.table import Key, Template
from kproxy_tw.decode.unknown import inventory
from kproxy_tw.devices.events import Event
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.sample.rates import RateInUse
from kproxy_tw.status import EventStatus, ExporterStatus, RateStatus

MAX_WAITING = 20
"""Templates that data waits for, in the status of a session."""


Templates = tuple[Mapping[str, object], ...]
"""As ``DeviceStatus.templates`` has them."""


@attrs.frozen
class _Held:
    """What one exporter taught, at one moment.

    :ivar now: of its templates.
    """

    key: str
    now: float
    templates: tuple[tuple[Key, Template], ...]
    options: tuple[tuple[int, int, OptionTables], ...]


def hold_exporters(
    sessions: Mapping[str, ExporterSession], rates: Iterable[RateInUse], events: Iterable[Event]
) -> Callable[[], tuple[ExporterStatus, Templates]]:
    """Copy what there is now, all but sequences, which have a place of their own.

    :return: what describes it, in any thread.
    """
    ordered = [session for _key, session in sorted(sessions.items())]
    status = ExporterStatus(
        sessions=tuple(_session(session) for session in ordered),
        rates=tuple(RateStatus(rate=one.rate, origin=one.origin, flows=one.flows) for one in rates),
        events=tuple(
            EventStatus(kind=event.kind, text=event.text, first=event.first, last=event.last, count=event.count)
            for event in events
        ),
    )
    return partial(_described, status, [_hold(session) for session in ordered])


def _hold(session: ExporterSession) -> _Held:
    store = session.templates.store
    domains = sorted(store.domains.items(), key=lambda item: item[0])
    options = [(*key, tables.held()) for key, tables in domains if tables]
    return _Held(session.key, session.templates.now, tuple(store.templates.items()), tuple(options))


def _described(status: ExporterStatus, held: Iterable[_Held]) -> tuple[ExporterStatus, Templates]:
    options = tuple({"source": one.key, **describe_options(*tables)} for one in held for tables in one.options)
    unknown = tuple(
        {"source": one.key, **entry}
        for one in held
        for entry in inventory(template.layout for _key, template in one.templates)
    )
    return attrs.evolve(status, options=options, unknown=unknown), tuple(_templates(held))


def _templates(held: Iterable[_Held]) -> Iterator[Mapping[str, object]]:
    left = MAX_FIELDS
    for one in held:
        for template in describe_templates(one.templates, one.now, left):
            left -= len(template["fields"])
            yield {"source": one.key, **template}


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
