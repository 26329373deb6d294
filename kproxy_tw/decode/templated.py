"""Sets of templates and records: what NetFlow v9 (RFC 3954) and IPFIX (RFC 7011) have in common.

A message is a header and *sets*, each with its id and length in front. Sets of templates are taken in at once; sets
of records are cut out whole. A set that breaks the format is counted, what stands before it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import attrs
import numpy as np

from kproxy_tw.decode.exporters import by_exporter
from kproxy_tw.decode.optiondata.domain import DOMAIN_ID, DomainOptions
from kproxy_tw.decode.optiondata.queue import OptionSet
from kproxy_tw.decode.optiondata.records import OptionValues, number
from kproxy_tw.decode.records import PacketClock, RecordSet, Starts, Walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.held import HeldSet
from kproxy_tw.decode.templates.specifiers import FIRST_TEMPLATE_ID
from kproxy_tw.decode.templates.table import Template
from kproxy_tw.decode.varlen import whole_records
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import trusted_unpacker

SET_HEADER_LENGTH = 4

OFFSET = np.dtype(np.uint16)
"""Of offsets in a set, whose length has 16 bits: a set of many small records must not cost many times its size."""

_SET_HEADER = trusted_unpacker("HH")

LearnTemplates = Callable[[TemplateCache, int, bytes, int, int], int]
"""Takes the templates in ``data[start:stop]`` into a cache: ``(cache, domain, data, start, stop)`` to their number.
Raises :exc:`MalformedInput`; those before the break are taken in."""


@attrs.frozen(slots=True, eq=False)
class Dialect:
    """Where NetFlow v9 and IPFIX differ.

    :ivar version: the version word.
    :ivar flow_type: its public name.
    :ivar template_set: set id of templates.
    :ivar options_set: set id of options templates.
    :ivar learn_templates: reads a set of templates.
    :ivar learn_options: reads a set of options templates.
    """

    version: int
    flow_type: str
    template_set: int
    options_set: int
    learn_templates: LearnTemplates
    learn_options: LearnTemplates


class SetWalk:
    """Walks the sets of one message.

    :ivar walk: what was found; shared by the messages of one datagram.
    :ivar others: templates and records of options, which are no flows but count in NetFlow v9's header.
    :ivar waiting: (template id, start, stop) of sets whose template is not known (yet).
    """

    __slots__ = ("clock", "dialect", "domain", "others", "templates", "waiting", "walk")

    def __init__(self, dialect: Dialect, domain: int, templates: TemplateCache, clock: PacketClock, walk: Walk) -> None:
        self.dialect = dialect
        self.domain = domain
        self.templates = templates
        self.clock = clock
        self.walk = walk
        self.others = 0
        self.waiting: list[tuple[int, int, int]] = []

    def run(self, data: bytes, start: int, end: int) -> None:
        """Walk the sets in ``data[start:end]``; a set without template stays in ``waiting``."""
        position = start
        while end - position >= SET_HEADER_LENGTH:
            set_id, length = _SET_HEADER(data, position)
            first, stop = position + SET_HEADER_LENGTH, position + length
            if length < SET_HEADER_LENGTH or stop > end:
                break
            if set_id < FIRST_TEMPLATE_ID:
                self._templates(data, set_id, first, stop)
            else:
                template = self.templates.find(self.dialect.version, self.domain, set_id)
                if template is not None and template.flow_length:
                    self._flows(template, data, first, stop)
                else:
                    self._records(template, data, set_id, first, stop)
            position = stop
        if position < end and any(data[position:end]):  # zeros up to the end are padding
            self.spoiled()
        if self.waiting:
            self._retry(data)

    def hold(self, data: bytes, counts: Sequence[int]) -> None:
        """Keep the sets in ``waiting`` until their templates come; ``counts``: as how many records each counts."""
        for (template_id, start, stop), records in zip(self.waiting, counts, strict=True):
            self._hold(self.templates.key(self.dialect.version, self.domain, template_id), data[start:stop], records)

    def _hold(self, key: tuple[int, int, int], body: bytes, records: int) -> None:
        self.walk.records += records
        now = int(self.clock.received_ns) / 1e9
        if self.templates.held.keep(key, body, self.clock, records, now):
            self.walk.held += records
        else:
            self.walk.no_template += records

    def released(self, template: Template, held: HeldSet) -> None:
        """Walk a set that was kept; ``walk.records`` becomes what it adds to the number it was counted as."""
        self._records(template, held.body, 0, 0, len(held.body))
        self.walk.records -= held.records

    def spoiled(self) -> None:
        """Count one set that breaks the format; how many records it has, nobody knows."""
        self.walk.malformed += 1
        self.walk.records += 1

    def _retry(self, data: bytes) -> None:
        """Records may stand before their template in the same message."""
        waiting, self.waiting = self.waiting, []
        for template_id, start, stop in waiting:
            template = self.templates.find(self.dialect.version, self.domain, template_id)
            self._records(template, data, template_id, start, stop)

    def _templates(self, data: bytes, set_id: int, start: int, stop: int) -> None:
        if set_id == self.dialect.template_set:
            learn = self.dialect.learn_templates
        elif set_id == self.dialect.options_set:
            learn = self.dialect.learn_options
        else:
            self.spoiled()
            return
        try:
            self.others += learn(self.templates, self.domain, data, start, stop)
        except MalformedInput:
            self.spoiled()

    def _flows(self, template: Template, data: bytes, start: int, stop: int) -> None:
        """The common case: flow records of one length."""
        size = template.flow_length
        count = (stop - start) // size
        if count:
            self.walk.records += count
            body = data[start : start + count * size]
            self.walk.sets.append(RecordSet(template.layout, count, body, self.clock, domain=template.domain))
        elif any(data[start:stop]):
            self.spoiled()

    def _records(self, template: Template | None, data: bytes, template_id: int, start: int, stop: int) -> None:
        """Any records."""
        if template is None:
            self.waiting.append((template_id, start, stop))
            return
        if template.flow_length:
            self._flows(template, data, start, stop)
            return
        layout = template.layout
        starts: Starts = ()
        if layout.is_variable:
            found, end = layout.starts(data, start, stop)
            starts, count = np.array(found, OFFSET), len(found)
        else:
            count = whole_records(layout.minimum, data, start, stop)
            end = start + count * layout.minimum
        broken = layout.is_variable and stop - end >= layout.minimum
        if broken or (count == 0 and any(data[start:stop])):
            self.spoiled()
        if count:
            self._keep(template, count, data[start:end], starts)

    def _keep(self, template: Template, count: int, body: bytes, starts: Starts) -> None:
        if template.is_options:
            self._options(template, count, body)
            return
        self.walk.records += count
        records = RecordSet(template.layout, count, body, self.clock, starts, domain=template.domain)
        exporters = template.layout.exporters
        if exporters:
            self.walk.sets.extend(by_exporter(records, template.layout.rows([records]), exporters))
        else:
            self.walk.sets.append(records)

    def _options(self, template: Template, count: int, body: bytes) -> None:
        """Records of options: taken in at once, unless they are very many."""
        self.others += count
        self.walk.options += count
        now = int(self.clock.received_ns) / 1e9
        meant = partial(_meant, self.templates, template.domain, self.dialect.version)
        self.templates.options.put(OptionSet(template.shape, body, count, meant), now)


def _meant(templates: TemplateCache, own: DomainOptions, version: int, values: OptionValues) -> DomainOptions:
    """The tables of the domain that a record is about: another one when its scope says so (RFC 7011 3.4.2.2)."""
    domain = number(values, DOMAIN_ID)
    if not domain:
        return own
    _version, key, _id = templates.key(version, domain, 0)
    return templates.store.domains.get((version, key), own)
