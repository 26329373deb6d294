"""What kproxy makes of captured datagrams: templates, flows, and what it cannot use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from kproxy_tw.capture.datagrams import Datagram
from kproxy_tw.capture.outline import Outline, outline
from kproxy_tw.capture.shown import flows
from kproxy_tw.decode.custom import fitted, wanted_names
from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.elements import element_name
from kproxy_tw.decode.layout import Field, TemplateLayout
from kproxy_tw.decode.records import Walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.decode.templates.specifiers import FIRST_TEMPLATE_ID
from kproxy_tw.decode.templates.table import TemplateLimits
from kproxy_tw.errors import MalformedInput

MAX_EXPORTERS = 4096
"""Exporters in one file; datagrams of further ones are not looked at."""

LIMITS = TemplateLimits(templates=4096, domains=256, fields=131_072, seconds=float("inf"))
"""Of the templates of one exporter in a file."""

NANO = 10**9

PACKET_COLUMNS = (
    "mpls_label_1",
    "mpls_label_2",
    "mpls_label_3",
    "inner_vlan",
    "tunnel_type",
    "tunnel_id",
    "forwarding_status",
    "discard_reason",
    "post_nat_src_addr",
    "post_nat_dst_addr",
    "post_nat_src_port",
    "post_nat_dst_port",
    "src_user",
    "dst_user",
    "http_url",
    "http_host",
    "egress_queue",
    "acl_name",
)
"""Custom columns that sFlow samples may have."""


@attrs.frozen
class Understood:
    """What was made of one datagram.

    :ivar head: version, sequence number, domain, sets; ``None`` when even the header is damaged.
    :ivar flow_type: empty when it is none.
    :ivar records: flow records; those that were not understood are among ``problems``.
    :ivar options: records of options.
    :ivar counters: counter samples of sFlow.
    :ivar learned: ids of the templates that it brought and that are in force.
    :ivar flows: the flows, each as an object.
    :ivar problems: what was not understood, in words.
    """

    datagram: Datagram
    head: Outline | None
    flow_type: str = ""
    records: int = 0
    options: int = 0
    counters: int = 0
    learned: tuple[int, ...] = ()
    flows: Sequence[Mapping[str, object]] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_understood(self) -> bool:
        """Whether anything was understood, or there was nothing to understand."""
        found = self.records or self.options or self.counters or self.learned
        return bool(self.flow_type and (found or not self.problems))


class CaptureReader:
    """Decodes the datagrams of a capture, each exporter (address and port) with templates of its own.

    Have :meth:`learn` see every datagram first: data in front of its template is then understood too.
    """

    def __init__(self) -> None:
        self._caches: dict[tuple[str, int], TemplateCache] = {}

    def exporters(self) -> Iterator[tuple[str, TemplateCache]]:
        """Every exporter as people write it, with its templates."""
        for (address, port), templates in self._caches.items():
            yield f"{address}:{port}" if port else address, templates

    def learn(self, datagram: Datagram) -> None:
        """Take the templates of a datagram in."""
        templates = self._templates(datagram)
        if templates is None:
            return
        try:
            walk(datagram.payload, templates, datagram.time_ns)
        except MalformedInput:
            return

    def read(self, datagram: Datagram) -> Understood:
        """Decode a datagram, and say what of it was not understood."""
        templates, head = self._templates(datagram), outline(datagram.payload)
        if templates is None:
            return Understood(datagram, head, problems=(f"one of more than {MAX_EXPORTERS} exporters",))
        refused = templates.refused
        try:
            walked = walk(datagram.payload, templates, datagram.time_ns or (head.seconds if head else 0) * NANO)
        except MalformedInput as problem:
            return Understood(datagram, head, problems=(str(problem),))
        problems = list(_problems(walked, head, templates))
        if templates.refused > refused:
            problems.append(templates.last_refusal)
        decoded, failures = _decoded(walked)
        return Understood(
            datagram,
            head,
            walked.flow_type,
            sum(records.count for records in walked.sets),
            walked.options,
            len(walked.sflow.counters) if walked.sflow is not None else 0,
            tuple(_learned(head, templates)) if head else (),
            decoded,
            (*problems, *failures),
        )

    def _templates(self, datagram: Datagram) -> TemplateCache | None:
        key = (datagram.source, datagram.source_port)
        found = self._caches.get(key)
        if found is None and len(self._caches) < MAX_EXPORTERS:
            found = self._caches[key] = TemplateCache(LIMITS)
        if found is not None:
            found.begin(0, datagram.time_ns / 1e9)
        return found


def _learned(head: Outline, templates: TemplateCache) -> Iterator[int]:
    for each in head.sets:
        for number in each.templates:
            if templates.find(head.version, head.domain, number) is not None:
                yield number


def _problems(walked: Walk, head: Outline | None, templates: TemplateCache) -> Iterator[str]:
    for each in head.sets if head else ():
        if each.set_id >= FIRST_TEMPLATE_ID and head is not None:
            template = templates.find(head.version, head.domain, each.set_id)
            if template is None:
                yield f"set {each.set_id} of {each.size} bytes: no template for it in the file"
            elif not template.is_options:
                yield from _unknown_fields(each.set_id, template.layout)
    if walked.malformed:
        yield f"{walked.malformed} sets or samples break the format"


def _unknown_fields(set_id: int, layout: TemplateLayout) -> Iterator[str]:
    names = [f"{field.pen}/{field.number}" for field in layout.fields if not element_name(field.pen, field.number)]
    if names:
        yield f"set {set_id}: no name for elements {', '.join(dict.fromkeys(names))} (enterprise/element)"


def _decoded(walked: Walk) -> tuple[list[dict[str, object]], list[str]]:
    found: list[dict[str, object]] = []
    failures = []
    for records in walked.sets:
        layout = records.layout
        names = _every_name(layout.fields) if isinstance(layout, TemplateLayout) else PACKET_COLUMNS
        try:
            batch = layout.columns([records], None, wanted_names(names))
            batch.custom = fitted(batch.custom, names)
            found += flows(batch)
        except MalformedInput as problem:
            failures.append(f"{records.count} records cannot be decoded: {problem}")
    return found, failures


def _every_name(fields: Iterable[Field]) -> tuple[str, ...]:
    """The names of elements; a number for those that have none."""
    names = (
        element_name(field.pen, field.number) or f"ie{field.pen}_{field.number}" for field in fields if field.length
    )
    return tuple(dict.fromkeys(names))
