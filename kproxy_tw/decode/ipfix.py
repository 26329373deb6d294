"""IPFIX (RFC 7011): header, templates with enterprise numbers, options templates, withdrawals."""

from __future__ import annotations

from kproxy_tw.decode.records import PacketClock, Walk
from kproxy_tw.decode.templated import Dialect, SetWalk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput
from kproxy_tw.reader import Reader, unpacker

VERSION = 10
HEADER_LENGTH = 16

_HEADER = unpacker("HHIII")


def learn_templates(templates: TemplateCache, domain: int, data: bytes, start: int, stop: int) -> int:
    """Take in a template set (RFC 7011 section 3.4.1). :return: how many. :raises MalformedInput: cut short."""
    reader = Reader(data, start, stop)
    count = 0
    while reader.remaining >= 4:
        template_id, fields = reader.u16(), reader.u16()
        if template_id == 0:
            break  # padding
        if fields == 0:
            templates.withdraw(VERSION, domain, template_id)
            continue
        templates.learn(VERSION, domain, template_id, _specifiers(reader, data, fields))
        count += 1
    return count


def learn_options(templates: TemplateCache, domain: int, data: bytes, start: int, stop: int) -> int:
    """Take in a set of options templates (section 3.4.2). :return: how many. :raises MalformedInput: cut short."""
    reader = Reader(data, start, stop)
    count = 0
    while reader.remaining >= 4:
        template_id, fields = reader.u16(), reader.u16()
        if template_id == 0:
            break  # padding
        if fields == 0:
            templates.withdraw(VERSION, domain, template_id)  # has no scope count
            continue
        scopes = reader.u16()
        content = _specifiers(reader, data, fields)
        if scopes:
            templates.learn(VERSION, domain, template_id, content, scopes)
        else:
            templates.refuse(f"options template {template_id} of domain {domain}: it has no scope")
        count += 1
    return count


def _specifiers(reader: Reader, data: bytes, fields: int) -> bytes:
    """The next ``fields`` field specifiers: 4 bytes each, 8 where the enterprise bit is set."""
    plain = reader.position + 4 * fields
    if reader.remaining >= 4 * fields and max(data[reader.position : plain : 4]) < 0x80:
        return reader.take(4 * fields)
    start = reader.position
    for _ in range(fields):
        at = reader.skip(4)
        if data[at] & 0x80:
            reader.skip(4)
    return data[start : reader.position]


DIALECT = Dialect(VERSION, "ipfix", 2, 3, learn_templates, learn_options)


def walk(data: bytes, templates: TemplateCache, received_ns: int) -> Walk:
    """Walk one datagram: one message, or several one behind the other.

    Records without template are kept until it comes, and count 1 a set, since nothing tells their number.

    :param templates: of the exporter; learns what the messages teach.
    :param received_ns: when it came in, nanoseconds since 1970.
    :raises MalformedInput: the header is cut short, or its length is not that of the datagram.
    """
    result = Walk("ipfix")
    position = _message(data, 0, templates, received_ns, result)
    while position < len(data):
        try:
            position = _message(data, position, templates, received_ns, result)
        except MalformedInput:
            if any(data[position:]):  # zeros are padding
                result.malformed += 1
                result.records += 1
            break
    return result


def _message(data: bytes, start: int, templates: TemplateCache, received_ns: int, result: Walk) -> int:
    """Walk the message at ``start`` into ``result``. :return: the offset behind it."""
    version, length, seconds, _, domain = _HEADER(data, start)
    stop = start + length
    if version != VERSION or length < HEADER_LENGTH or stop > len(data):
        raise MalformedInput(f"a message of version {version} and {length} bytes at offset {start} of {len(data)}")
    sets = SetWalk(DIALECT, domain, templates, PacketClock(seconds * 1000, 0, received_ns), result)
    sets.run(data, start + HEADER_LENGTH, stop)
    if sets.waiting:
        sets.hold(data, [1] * len(sets.waiting))
    return stop
