"""What was saved of a session before a restart, into the session that goes on; what it has learned since stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from kproxy_tw.decode.optiondata import DomainOptions, Names
from kproxy_tw.devices.memory.lines import SavedDomain, SavedSession
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.errors import MalformedInput

MAX_AGE_SECONDS = 24 * 3600.0
"""Older state is not taken over: the exporter may be another one by now."""

T = TypeVar("T")


def take_over(session: ExporterSession, saved: SavedSession, now: float) -> bool:
    """Fill ``session`` from ``saved``; ``now``: seconds since 1970.

    :return: whether that was done; not when it is too old.
    """
    age = max(0.0, now - saved.saved)
    if age > MAX_AGE_SECONDS:
        return False
    oldest = now - session.templates.store.limits.seconds
    for one in saved.templates:
        key = (one.version, one.domain, one.template_id)
        if one.refreshed < oldest:
            continue
        try:
            session.templates.adopt(key, one.content, one.scopes, refreshed=one.refreshed, teachers=one.teachers)
        except MalformedInput as problem:
            session.templates.refuse(f"template {one.template_id} from before the restart: {problem}")
    for domain in saved.domains:
        options = session.templates.store.domains.get((domain.version, domain.domain))
        if options is not None:
            _fill(options, domain)
    if not len(session.sequences):
        session.sequences.restore(saved.sequences, age_seconds=age)
    session.restored_age = age
    return True


def _fill(options: DomainOptions, saved: SavedDomain) -> None:
    _put(options.samplers, saved.samplers, options.put_sampler)
    _put(options.interface_rates, saved.interface_rates, options.put_interface_rate)
    _put(options.interfaces, _pairs(saved.interfaces), options.put_interface)
    _put(options.applications, _pairs(saved.applications), options.put_application)
    _put(options.vrfs, _pairs(saved.vrfs), options.put_vrf)
    if options.explicit is None and saved.explicit is not None:
        options.put_explicit(saved.explicit)
    for name, value in saved.exporter:
        options.put_exporter(name, options.exporter.get(name, value))


def _put(known: dict[int, T], saved: Iterable[tuple[int, T]], put: Callable[[int, T], None]) -> None:
    for key, value in saved:
        if key not in known:
            put(key, value)


def _pairs(rows: Iterable[tuple[int, str, str]]) -> Iterable[tuple[int, Names]]:
    return ((number, (name, description)) for number, name, description in rows)
