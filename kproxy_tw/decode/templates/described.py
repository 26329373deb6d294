"""Templates and option tables as plain values, ready for JSON and pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from kproxy_tw.decode.elements import V9_SCOPES, VARIABLE, element_name
from kproxy_tw.decode.layout import Field
from kproxy_tw.decode.optiondata.selection import selection_rate

if TYPE_CHECKING:
    from kproxy_tw.decode.optiondata.domain import OptionTables
    from kproxy_tw.decode.templates.table import Key, Template

Described = dict[str, Any]

PORT_SHIFT = 32
"""Above these bits of a domain key stands the source port of a domain whose state is kept by port, else 0."""

MAX_ROWS = 500
"""Rows of one table that are described."""

MAX_FIELDS = 20_000
"""Fields of the templates that are described at once. A router has some dozen templates of some dozen fields."""

DOMAIN_MASK = (1 << PORT_SHIFT) - 1


def describe_templates(
    templates: Iterable[tuple[Key, Template]], now: float, most_fields: int = MAX_FIELDS
) -> Iterator[Described]:
    """Templates by version, domain and number, as long as they have no more than ``most_fields`` together.

    :param now: seconds since 1970.
    """
    for key, template in sorted(templates, key=lambda item: item[0]):
        most_fields -= len(template.layout.fields)
        if most_fields < 0:
            return
        yield describe_template(key, template, now)


def describe_template(key: Key, template: Template, now: float) -> Described:
    """One template.

    :param now: seconds since 1970; ``age_seconds`` is the time since the exporter sent the template last.
    """
    version, domain, template_id = key
    layout = template.layout
    return {
        "version": version,
        "domain": domain & DOMAIN_MASK,
        "port": domain >> PORT_SHIFT,
        "id": template_id,
        "kind": "options" if template.is_options else "data",
        "record_length": "variable" if layout.is_variable else layout.minimum,
        "age_seconds": max(0.0, now - template.refreshed),
        "restored": template.restored,
        "fields": [_field(version, field, index < template.scopes) for index, field in enumerate(layout.fields)],
    }


def _field(version: int, field: Field, scope: bool) -> Described:
    return {
        "name": _field_name(version, field, scope),
        "id": field.number,
        "pen": field.pen,
        "length": "variable" if field.length == VARIABLE else field.length,
        "scope": scope,
    }


def _field_name(version: int, field: Field, scope: bool) -> str:
    if version == 9 and scope:
        return V9_SCOPES.get(field.number, "")
    return element_name(field.pen, field.number)


def describe_options(version: int, domain: int, options: OptionTables) -> Described:
    """The option tables of one domain."""
    return {
        "version": version,
        "domain": domain & DOMAIN_MASK,
        "port": domain >> PORT_SHIFT,
        "rate": options.domain_rate,
        "samplers": [
            {
                "id": number,
                "rate": sampler.rate,
                "name": sampler.name,
                "algorithm": sampler.algorithm,
                "learned": sampler.learned,
            }
            for number, sampler in sorted(options.samplers.items())
        ],
        "selections": [
            {"id": number, "rate": selection_rate(selectors, options.samplers), "selectors": list(selectors)}
            for number, selectors in sorted(options.selections.items())
        ],
        "interface_rates": [
            {"index": index, "rate": rate} for index, rate in sorted(options.interface_rates.items())[:MAX_ROWS]
        ],
        "interfaces": [
            {"index": index, "name": names[0], "description": names[1]}
            for index, names in sorted(options.interfaces.items())[:MAX_ROWS]
        ],
        "applications": [
            {"id": number, "name": names[0], "description": names[1]}
            for number, names in sorted(options.applications.items())[:MAX_ROWS]
        ],
        "vrfs": [{"id": number, "name": names[0]} for number, names in sorted(options.vrfs.items())[:MAX_ROWS]],
        "exporter": dict(options.exporter),
        "dropped": options.dropped,
    }
