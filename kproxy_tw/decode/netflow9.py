"""NetFlow version 9 (RFC 3954): header, templates, options templates."""

from __future__ import annotations

from kproxy_tw.decode.records import PacketClock, Walk
from kproxy_tw.decode.templated import Dialect, SetWalk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader, unpacker

VERSION = 9
HEADER_LENGTH = 20
SPECIFIER_LENGTH = 4

_HEADER = unpacker("HHIIII")


def learn_templates(templates: TemplateCache, domain: int, data: bytes, start: int, stop: int) -> int:
    """Take in a template set (RFC 3954 section 5.2). :return: how many templates. :raises MalformedInput: cut short."""
    reader = Reader(data, start, stop)
    count = 0
    while reader.remaining >= SPECIFIER_LENGTH:
        template_id, fields = reader.u16(), reader.u16()
        if template_id == 0:
            break  # padding
        templates.learn(VERSION, domain, template_id, reader.take(fields * SPECIFIER_LENGTH))
        count += 1
    return count


def learn_options(templates: TemplateCache, domain: int, data: bytes, start: int, stop: int) -> int:
    """Take in a set of options templates (section 6.1). :return: how many. :raises MalformedInput: cut short."""
    reader = Reader(data, start, stop)
    count = 0
    while reader.remaining >= SPECIFIER_LENGTH + 2:
        template_id, scope_bytes, option_bytes = reader.u16(), reader.u16(), reader.u16()
        if template_id == 0:
            break  # padding
        if scope_bytes % SPECIFIER_LENGTH or option_bytes % SPECIFIER_LENGTH:
            templates.refuse(f"options template {template_id} of domain {domain}: lengths are not multiples of 4")
            raise MalformedInput("lengths of an options template are not multiples of 4")
        content = reader.take(scope_bytes + option_bytes)
        if scope_bytes:
            templates.learn(VERSION, domain, template_id, content, scope_bytes // SPECIFIER_LENGTH)
        else:
            templates.refuse(f"options template {template_id} of domain {domain}: it has no scope")
        count += 1
    return count


DIALECT = Dialect(VERSION, "netflow9", 0, 1, learn_templates, learn_options)


def walk(data: bytes, templates: TemplateCache, received_ns: int) -> Walk:
    """Walk one export packet.

    Records without template are kept until it comes. The header counts all records of the packet, so theirs are that
    number less everything that is known, when the difference is possible; else they count 1 a set.

    :param templates: of the exporter; learns what the packet teaches.
    :param received_ns: when it came in, nanoseconds since 1970.
    :raises MalformedInput: the header is cut short.
    """
    _, told, uptime, seconds, _, domain = _HEADER(data, 0)
    sets = SetWalk(DIALECT, domain, templates, PacketClock(seconds * 1000, uptime, received_ns), Walk("netflow9"))
    sets.run(data, HEADER_LENGTH, len(data))
    surplus = sets.walk.records + sets.others - told
    if surplus > 0:
        _leave_padding(sets.walk, surplus)
    if sets.waiting:
        sets.hold(data, _counts(sets, told))
    return sets.walk


def _leave_padding(walk: Walk, surplus: int) -> None:
    """Leave out records of nothing but zeros at the end, as far as the header does not count them: some exporters fill
    their packets up with these. (Others count wrongly: what has a byte that is not zero is a record.)
    """
    while surplus and walk.sets and not len(walk.sets[-1].starts):
        last = walk.sets[-1]
        size = len(last.body) // last.count
        filled = len(bytes(last.body).rstrip(b"\0"))
        padding = min(surplus, last.count - -(-filled // size))
        if not padding:
            return
        surplus -= padding
        walk.records -= padding
        last.count -= padding
        last.body = last.body[: last.count * size]
        if not last.count:
            walk.sets.pop()


def _counts(sets: SetWalk, told: int) -> list[int]:
    """As how many records the sets without template count."""
    fewest = len(sets.waiting)
    most = sum(stop - start for _, start, stop in sets.waiting)
    rest = told - sets.walk.records - sets.others
    known = not sets.walk.malformed and fewest <= rest <= most
    return [rest - fewest + 1 if known else 1, *[1] * (fewest - 1)]
