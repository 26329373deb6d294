"""Where the templates of one exporter stand: bounded, with the layouts they share and the tables of their domains."""

from __future__ import annotations

from collections import Counter, OrderedDict
from functools import partial
from weakref import WeakValueDictionary

import attrs

from kproxy_tw.decode.layout import TemplateLayout
from kproxy_tw.decode.notices import Notices
from kproxy_tw.decode.optiondata.domain import DomainOptions
from kproxy_tw.decode.optiondata.records import OptionShape, shape_of
from kproxy_tw.decode.templates.described import DOMAIN_MASK, PORT_SHIFT
from kproxy_tw.decode.templates.room import StateRoom
from kproxy_tw.decode.templates.specifiers import FIRST_TEMPLATE_ID, valid_fields
from kproxy_tw.decode.varlen import MOST_PADDING

FLOW_TYPES = {9: "netflow9", 10: "ipfix"}
"""Version word to the public name of the protocol."""

LIMIT_REACHED = (
    "it has more templates or observation domains than are kept (-max_templates, -max_template_domains), or all"
    " exporters together have (-max_templates_total): those used longest ago make room"
)

MAX_TEACHERS = 8
"""Ports that are remembered as having sent a template."""

NO_OPTIONS = OptionShape()
"""The shape of a template of data records."""

Key = tuple[int, int, int]
"""Version, domain key (see :mod:`~kproxy_tw.decode.templates.described`), template id."""


@attrs.frozen(slots=True)
class TemplateLimits:
    """How much one exporter may make us remember.

    :ivar templates: templates in all domains together.
    :ivar domains: observation domains (IPFIX) and source ids (NetFlow v9) together.
    :ivar fields: fields of all templates together.
    :ivar seconds: how long a template holds that is not sent again.
    """

    templates: int = 512
    domains: int = 8
    fields: int = 16_384
    seconds: float = 24 * 3600.0


@attrs.define(slots=True, eq=False)
class Template:
    """One template in force.

    :ivar content: its field specifiers as sent: the same content again means that nothing changed.
    :ivar scopes: how many of the fields are scope fields; 0 for a template of data records.
    :ivar layout: how its records are laid out.
    :ivar domain: the option tables of its domain.
    :ivar refreshed: seconds since 1970 when it was sent last.
    :ivar restored: it was taken over from before a restart and was not sent again since.
    :ivar teachers: source ports that have sent it.
    :ivar flow_length: bytes of a record if its records are flows of one length, of the sender itself and longer than
        padding, else 0: what the walk asks first.
    :ivar shape: how to read its records, of an options template.
    """

    content: bytes
    scopes: int
    layout: TemplateLayout
    domain: DomainOptions
    refreshed: float = 0.0
    restored: bool = False
    teachers: set[int] = attrs.field(factory=set)
    shape: OptionShape = NO_OPTIONS
    flow_length: int = attrs.field(init=False)

    @flow_length.default
    def _flow_length(self) -> int:
        layout = self.layout
        special = self.is_options or layout.is_variable or layout.exporters or layout.minimum <= MOST_PADDING
        return 0 if special else layout.minimum

    @property
    def is_options(self) -> bool:
        """Whether its records describe the exporter and are no flows."""
        return self.scopes > 0

    def sent(self, port: int, now: float) -> None:
        """It was sent (again) from ``port``."""
        self.refreshed, self.restored = now, False
        if port and len(self.teachers) < MAX_TEACHERS:
            self.teachers.add(port)


class TemplateStore:
    """The templates of one exporter, the least recently used going first when a limit is reached.

    :param room: shared by all exporters.
    :param notices: told of changes in option data.
    :param decap: of captured packets in a tunnel, the inner one counts (``-decap``).
    :ivar templates: the templates in force, the one used longest ago first.
    :ivar domains: the option tables of each (version, domain key) that has templates.
    :ivar evicted: templates given up because of a limit.
    """

    def __init__(self, limits: TemplateLimits, room: StateRoom, notices: Notices, *, decap: bool = False) -> None:
        self.limits = limits
        self._decap = decap
        self.templates: OrderedDict[Key, Template] = OrderedDict()
        self.domains: dict[tuple[int, int], DomainOptions] = {}
        self.evicted = 0
        self._room = room
        self._notices = notices
        self._sizes: Counter[tuple[int, int]] = Counter()
        self._fields = 0
        self._layouts: WeakValueDictionary[tuple[int, int, bytes], TemplateLayout] = WeakValueDictionary()

    def make(self, key: Key, content: bytes, scopes: int) -> Template:
        """A template, not stored yet. Those with the same content share a layout, and so are decoded together.

        :raises MalformedInput: it must be refused.
        """
        version, domain, template_id = key
        layout = self._layouts.get((version, scopes, content))
        if layout is None or template_id < FIRST_TEMPLATE_ID:
            fields = valid_fields(content, version, template_id, scopes)
            layout = self._layouts[version, scopes, content] = TemplateLayout(FLOW_TYPES[version], fields, self._decap)
        shape = shape_of(layout, scopes, version) if scopes else NO_OPTIONS
        return Template(content, scopes, layout, self._options(version, domain), shape=shape)

    def put(self, key: Key, template: Template) -> None:
        """Store a template in the place of what had its number; others make room."""
        domain, fields = key[:2], len(template.layout.fields)
        self._take(key)
        self._make_room(domain, fields)
        self.templates[key] = template
        self.domains[domain] = template.domain
        self._sizes[domain] += 1
        self._count(1, fields)

    def remove(self, key: Key) -> bool:
        """Forget a template, and its domain's tables with the last one; whether there was one."""
        domain = key[:2]
        found = self._take(key)
        if found and not self._sizes[domain]:
            del self._sizes[domain]
            self.domains.pop(domain).clear()
        return found

    def evict_one(self) -> bool:
        """Give up the template used longest ago; ``False`` when there is none."""
        if not self.templates:
            return False
        self._evict(next(iter(self.templates)))
        return True

    def used(self) -> None:
        """The exporter is heard of now."""
        self._room.used(self)

    def clear(self) -> None:
        """Forget everything."""
        for key in list(self.templates):
            self.remove(key)
        self._room.gone(self)

    def _options(self, version: int, domain: int) -> DomainOptions:
        known = self.domains.get((version, domain))
        if known is not None:
            return known
        port = domain >> PORT_SHIFT
        label = f"domain {domain & DOMAIN_MASK}" + (f" from port {port}" if port else "")
        if not domain & DOMAIN_MASK:
            return DomainOptions(self._room.options, self._notices, label)
        whole = partial(self.domains.get, (version, domain & ~DOMAIN_MASK))
        return DomainOptions(self._room.options, self._notices, label, whole, domain & DOMAIN_MASK)

    def _make_room(self, domain: tuple[int, int], fields: int) -> None:
        if domain not in self.domains and len(self.domains) >= self.limits.domains:
            last_uses = dict.fromkeys(key[:2] for key in reversed(self.templates))
            oldest = next(reversed(last_uses))
            for other in [key for key in self.templates if key[:2] == oldest]:
                self._evict(other)
        while self.templates and (
            len(self.templates) >= self.limits.templates or self._fields + fields > self.limits.fields
        ):
            self.evict_one()
        self._room.make(fields)

    def _take(self, key: Key) -> bool:
        old = self.templates.pop(key, None)
        if old is None:
            return False
        self._sizes[key[:2]] -= 1
        self._count(-1, -len(old.layout.fields))
        return True

    def _evict(self, key: Key) -> None:
        self.remove(key)
        self.evicted += 1
        self._notices("limit_reached", "templates", LIMIT_REACHED)

    def _count(self, templates: int, fields: int) -> None:
        self._fields += fields
        self._room.templates += templates
        self._room.fields += fields
