"""Data that waited for its template, once that has come."""

from __future__ import annotations

from kproxy_tw.decode import ipfix, netflow9
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.templated import SetWalk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.described import DOMAIN_MASK

DIALECTS = {dialect.version: dialect for dialect in (netflow9.DIALECT, ipfix.DIALECT)}


def released(templates: TemplateCache) -> list[Walk]:
    """Walk the kept sets whose templates have come since the last call.

    :return: one walk a set. Its ``records`` is what the set holds less what it was counted as when it came, so it
        may be negative.
    """
    walks = []
    for key in templates.arrived():
        template = templates.store.templates.get(key)
        if template is None:
            continue
        dialect = DIALECTS[key[0]]
        for held in templates.held.take(key):
            sets = SetWalk(dialect, key[1] & DOMAIN_MASK, templates, held.clock, Walk(dialect.flow_type))
            sets.released(template, held)
            walks.append(sets.walk)
    return walks
