"""The templates of one exporter: bounded, checked once when they are stored, kept until something newer is used more.

A template decides how every later byte is read, so it is validated here and nowhere else (RFC 7011 section 8,
RFC 3954 section 5.2). One that fails is refused and counted, and an older valid one with its number stays in force.
"""

from __future__ import annotations

from collections import OrderedDict
from weakref import WeakValueDictionary

import attrs

from kproxy_tw.decode.elements import ELEMENTS, IANA, V9_SCOPES, VARIABLE, element_name
from kproxy_tw.decode.layout import Field, TemplateLayout
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import unpacker

MAX_FIELDS = 512
"""Most fields that one template may have."""

MAX_RECORD_LENGTH = 65535
"""Longest fixed-length record in bytes; a longer one could not stand in any set."""

FIRST_TEMPLATE_ID = 256
"""Lower numbers are set ids of the protocol itself."""

FLOW_TYPES = {9: "netflow9", 10: "ipfix"}
"""Version word to the public name of the protocol."""

ENTERPRISE_BIT = 0x8000
"""Set in the element number of IPFIX where an enterprise number follows; in NetFlow v9 it is part of the number."""

_SPECIFIER = unpacker("HH")
_ENTERPRISE = unpacker("I")


@attrs.frozen(slots=True)
class TemplateLimits:
    """How much one exporter may make us remember.

    :ivar templates: templates in all domains together.
    :ivar domains: observation domains (IPFIX) and source ids (NetFlow v9) together.
    :ivar fields: fields of all templates together.
    """

    templates: int = 512
    domains: int = 8
    fields: int = 16_384


@attrs.frozen(slots=True, eq=False)
class Template:
    """One template in force.

    :ivar content: its field specifiers as sent: the same content again means that nothing changed.
    :ivar scopes: how many of the fields are scope fields; 0 for a template of data records.
    :ivar layout: how its records are laid out.
    :ivar flow_length: bytes of a record if its records are flows of one length, else 0: what the walk asks first.
    """

    content: bytes
    scopes: int
    layout: TemplateLayout
    flow_length: int = attrs.field(init=False)

    @flow_length.default
    def _flow_length(self) -> int:
        return 0 if self.is_options or self.layout.is_variable else self.layout.minimum

    @property
    def is_options(self) -> bool:
        """Whether its records describe the exporter and are no flows."""
        return self.scopes > 0


Key = tuple[int, int, int]
"""Version, observation domain or source id, template id."""


class TemplateCache:
    """Templates of one exporter session, the least recently used going first when a limit is reached.

    :ivar evicted: templates dropped because of a limit.
    :ivar refused: templates that failed validation.
    :ivar last_refusal: why the latest one did; empty when none has.
    """

    def __init__(self, limits: TemplateLimits | None = None) -> None:
        self.evicted = 0
        self.refused = 0
        self.last_refusal = ""
        self._limits = limits or TemplateLimits()
        self._templates: OrderedDict[Key, Template] = OrderedDict()
        self._fields = 0
        self._layouts: WeakValueDictionary[tuple[int, int, bytes], TemplateLayout] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._templates)

    def find(self, version: int, domain: int, template_id: int) -> Template | None:
        """The template in force, or ``None``; counts as a use of it."""
        key = (version, domain, template_id)
        found = self._templates.get(key)
        if found is not None:
            self._templates.move_to_end(key)
        return found

    def learn(self, version: int, domain: int, template_id: int, content: bytes, scopes: int = 0) -> None:
        """Take a template in, as an exporter sent it; never raises for a bad one.

        :param version: 9 or 10.
        :param domain: source id or observation domain.
        :param content: the field specifiers, byte for byte.
        :param scopes: how many of them are scope fields: more than 0 makes it an options template.
        """
        known = self.find(version, domain, template_id)
        if known is not None and known.content == content and known.scopes == scopes:
            return
        try:
            layout = self._layout(version, template_id, content, scopes)
        except MalformedInput as problem:
            self.refuse(f"template {template_id} of domain {domain}: {problem}")
            return
        self._store((version, domain, template_id), Template(content, scopes, layout))

    def refuse(self, why: str) -> None:
        """Count a template that cannot be taken in."""
        self.refused += 1
        self.last_refusal = why

    def describe(self) -> list[dict[str, object]]:
        """Every template, by version, domain and number, ready for JSON."""
        return [
            _described(key, template) for key, template in sorted(self._templates.items(), key=lambda item: item[0])
        ]

    def _layout(self, version: int, template_id: int, content: bytes, scopes: int) -> TemplateLayout:
        """A valid layout; domains whose templates have the same content share one, and so are decoded together."""
        if template_id < FIRST_TEMPLATE_ID:
            raise MalformedInput(f"the number is below {FIRST_TEMPLATE_ID}")
        shared = self._layouts.get((version, scopes, content))
        if shared is None:
            fields = parse_fields(content, version)
            _check(fields, version, scopes)
            shared = self._layouts[version, scopes, content] = TemplateLayout(FLOW_TYPES[version], fields)
        return shared

    def _store(self, key: Key, template: Template) -> None:
        self._remove(key)
        self._make_room(key, len(template.layout.fields))
        self._templates[key] = template
        self._fields += len(template.layout.fields)

    def _remove(self, key: Key) -> None:
        old = self._templates.pop(key, None)
        if old is not None:
            self._fields -= len(old.layout.fields)

    def _make_room(self, key: Key, fields: int) -> None:
        domains = dict.fromkeys((version, domain) for version, domain, _ in reversed(self._templates))
        if key[:2] not in domains and len(domains) >= self._limits.domains:
            oldest = next(reversed(domains))
            for other in [other for other in self._templates if other[:2] == oldest]:
                self._evict(other)
        while self._templates and (
            len(self._templates) >= self._limits.templates or self._fields + fields > self._limits.fields
        ):
            self._evict(next(iter(self._templates)))

    def _evict(self, key: Key) -> None:
        self._remove(key)
        self.evicted += 1


def parse_fields(content: bytes, version: int) -> tuple[Field, ...]:
    """The fields that specifiers tell. :raises MalformedInput: there are none, too many, or the last one is cut."""
    fields = []
    position = 0
    while position < len(content):
        number, length = _SPECIFIER(content, position)
        pen = IANA
        position += 4
        if version == 10 and number & ENTERPRISE_BIT:
            number &= ~ENTERPRISE_BIT
            (pen,) = _ENTERPRISE(content, position)
            position += 4
        fields.append(Field(pen, number, length))
        if len(fields) > MAX_FIELDS:
            raise MalformedInput(f"it has more than {MAX_FIELDS} fields")
    if not fields:
        raise MalformedInput("it has no fields")
    return tuple(fields)


def _check(fields: tuple[Field, ...], version: int, scopes: int) -> None:
    if scopes > len(fields):
        raise MalformedInput(f"it has {scopes} scope fields among {len(fields)} fields")
    length = sum(field.length for field in fields if field.length != VARIABLE)
    if length > MAX_RECORD_LENGTH:
        raise MalformedInput(f"a record would have {length} bytes")
    if length == 0 and all(field.length != VARIABLE for field in fields):
        raise MalformedInput("a record would have no bytes")
    for field in fields[scopes if version == 9 else 0 :]:  # v9 scope types are numbers of their own
        element = ELEMENTS.get((field.pen, field.number))
        if element is not None and not element.allows(field.length):
            raise MalformedInput(f"{element.name} (element {field.number}) cannot be {field.length} bytes long")


def _described(key: Key, template: Template) -> dict[str, object]:
    version, domain, template_id = key
    layout = template.layout
    return {
        "version": version,
        "domain": domain,
        "id": template_id,
        "kind": "options" if template.is_options else "data",
        "record_length": "variable" if layout.is_variable else layout.minimum,
        "fields": [
            {
                "name": _field_name(version, field, index < template.scopes),
                "id": field.number,
                "pen": field.pen,
                "length": "variable" if field.length == VARIABLE else field.length,
                "scope": index < template.scopes,
            }
            for index, field in enumerate(layout.fields)
        ],
    }


def _field_name(version: int, field: Field, scope: bool) -> str:
    if version == 9 and scope:
        return V9_SCOPES.get(field.number, "")
    return element_name(field.pen, field.number)
