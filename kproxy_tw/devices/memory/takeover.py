"""What was saved of a session, before a restart or by another kproxy, into the session that goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from kproxy_tw.decode.optiondata.domain import DomainOptions, Names
from kproxy_tw.devices.memory.lines import SavedDomain, SavedSession, SavedTemplate
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.errors import MalformedInput

MAX_AGE_SECONDS = 24 * 3600.0
"""Older state is not taken over: the exporter may be another one by now."""

TEMPLATES_AT_ONCE = 32
ROWS_AT_ONCE = 1_000
"""In one step."""

T = TypeVar("T")


def take_over(session: ExporterSession, saved: SavedSession, now: float) -> bool:
    """Fill ``session`` from ``saved``; ``now``: seconds since 1970.

    :return: whether that was done; not when it is too old.
    """
    if is_too_old(saved, now):
        return False
    for _step in steps(session, saved, now):
        pass
    return True


def is_too_old(saved: SavedSession, now: float) -> bool:
    """Whether it must not be taken over any more at ``now``, seconds since 1970."""
    return now - saved.saved > MAX_AGE_SECONDS


def steps(session: ExporterSession, saved: SavedSession, now: float) -> Iterator[None]:
    """The same as :func:`take_over`, a few milliseconds' work at a time."""
    age = max(0.0, now - saved.saved)
    if not len(session.sequences):
        session.sequences.restore(saved.sequences, age_seconds=age)
    session.restored_age = age
    oldest = now - session.templates.store.limits.seconds
    for number, one in enumerate(saved.templates, 1):
        if one.refreshed >= oldest:
            _adopt(session, one)
        if not number % TEMPLATES_AT_ONCE:
            yield
    for domain in saved.domains:
        options = session.templates.store.domains.get((domain.version, domain.domain))
        if options is not None:
            yield from _fill(options, domain)


def learn_from(session: ExporterSession, saved: SavedSession, now: float) -> Iterator[None]:
    """Take in what another kproxy has heard of the same exporter, a few milliseconds' work at a time.

    What is newer there counts; sequence numbers do not, for they are of other datagrams.
    """
    oldest = now - session.templates.store.limits.seconds
    for number, one in enumerate(saved.templates, 1):
        if oldest <= one.refreshed <= now:
            _renew(session, one)
        if not number % TEMPLATES_AT_ONCE:
            yield
    for domain in saved.domains:
        options = session.templates.store.domains.get((domain.version, domain.domain))
        if options is not None:
            for sampler_id, sampler in domain.samplers:
                known = options.samplers.get(sampler_id)
                if known is not None and known.learned < sampler.learned <= now:
                    options.put_sampler(sampler_id, sampler)
            if options.explicit and domain.explicit and options.explicit.learned < domain.explicit.learned <= now:
                options.put_explicit(domain.explicit)
            yield from _fill(options, domain)


def _renew(session: ExporterSession, one: SavedTemplate) -> None:
    """A template that another kproxy has; an older one of that number gives way, an equal one is refreshed."""
    cache = session.templates
    key = (one.version, one.domain, one.template_id)
    known = cache.store.templates.get(key)
    if known is not None and known.refreshed < one.refreshed:
        if known.content == one.content and known.scopes == one.scopes:
            known.refreshed = one.refreshed
        else:
            cache.changes += cache.store.remove(key)
    _adopt(session, one)


def _adopt(session: ExporterSession, one: SavedTemplate) -> None:
    key = (one.version, one.domain, one.template_id)
    try:
        session.templates.adopt(key, one.content, one.scopes, refreshed=one.refreshed, teachers=one.teachers)
    except MalformedInput as problem:
        session.templates.refuse(f"template {one.template_id} from before the restart: {problem}")


def _fill(options: DomainOptions, saved: SavedDomain) -> Iterator[None]:
    if options.explicit is None and saved.explicit is not None:
        options.put_explicit(saved.explicit)
    for name, value in saved.exporter:
        options.put_exporter(name, options.exporter.get(name, value))
    yield from _put(options.samplers, saved.samplers, options.put_sampler)
    yield from _put(options.selections, saved.selections, options.put_selection)
    yield from _put(options.interface_rates, saved.interface_rates, options.put_interface_rate)
    yield from _put(options.interfaces, _pairs(saved.interfaces), partial(options.put_names, "interfaces"))
    yield from _put(options.applications, _pairs(saved.applications), partial(options.put_names, "applications"))
    yield from _put(options.vrfs, _pairs(saved.vrfs), partial(options.put_names, "vrfs"))


def _put(known: dict[int, T], saved: Iterable[tuple[int, T]], put: Callable[[int, T], None]) -> Iterator[None]:
    for number, (key, value) in enumerate(saved, 1):
        if key not in known:
            put(key, value)
        if not number % ROWS_AT_ONCE:
            yield


def _pairs(rows: Iterable[tuple[int, str, str]]) -> Iterable[tuple[int, Names]]:
    return ((number, (name, description)) for number, name, description in rows)
