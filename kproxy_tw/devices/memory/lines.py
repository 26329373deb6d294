"""The state of exporters as lines of JSON, and back: one line a session, between a head and a foot.

The foot has the number of lines and a check sum, so that a file that was cut or changed is known as damaged. What is
read back is checked like a peer's bytes: types, ranges, counts; templates once more as if they had just been sent.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from typing import Any

import attrs

from kproxy_tw.decode.optiondata.domain import DomainOptions
from kproxy_tw.decode.optiondata.records import MAX_SELECTORS
from kproxy_tw.decode.optiondata.samplers import LARGEST_RATE, Sampler
from kproxy_tw.decode.optiondata.selection import Selectors
from kproxy_tw.devices.session import ExporterSession
from kproxy_tw.errors import MalformedInput

FORMAT = 1

MAX_LINE = 8 << 20
MAX_LINES = 65_536
MAX_ROWS = 4096
MAX_TEMPLATES = 65_536
MAX_TEXT = 128
MAX_SPECIFIERS = 8 * 512
"""Most bytes of the field specifiers of one template."""

VERSIONS = (9, 10)
MAX_ID = 2**16 - 1
MAX_DOMAIN_KEY = 2**48 - 1
MAX_NUMBER = 2**64 - 1
MAX_TIME = 2**40

Json = dict[str, Any]


@attrs.frozen(kw_only=True)
class SavedTemplate:
    """A template; see :class:`~kproxy_tw.decode.templates.table.Template`."""

    version: int
    domain: int
    template_id: int
    scopes: int
    refreshed: float
    teachers: tuple[int, ...]
    content: bytes


@attrs.frozen(kw_only=True)
class SavedDomain:
    """The option tables of one domain; see :class:`~kproxy_tw.decode.optiondata.domain.DomainOptions`."""

    version: int
    domain: int
    samplers: tuple[tuple[int, Sampler], ...]
    selections: tuple[tuple[int, Selectors], ...]
    explicit: Sampler | None
    interface_rates: tuple[tuple[int, float], ...]
    interfaces: tuple[tuple[int, str, str], ...]
    applications: tuple[tuple[int, str, str], ...]
    vrfs: tuple[tuple[int, str, str], ...]
    exporter: tuple[tuple[str, str], ...]


@attrs.frozen(kw_only=True)
class SavedSession:
    """One exporter session.

    :ivar saved: seconds since 1970.
    :ivar sequences: as ``SequenceBook.save`` gave it, unchecked.
    """

    key: str
    saved: float
    templates: tuple[SavedTemplate, ...]
    domains: tuple[SavedDomain, ...]
    sequences: object


@attrs.frozen
class SavedLine:
    """A session as it stands in the file. ``saved``: seconds since 1970."""

    saved: float
    line: bytes


def snapshot(session: ExporterSession, now: float) -> Json:
    """A session as plain values, which share nothing with it that changes."""
    store = session.templates.store
    return {
        "key": session.key,
        "saved": now,
        "templates": [
            [*key, known.scopes, known.refreshed, sorted(known.teachers), known.content.hex()]
            for key, known in store.templates.items()
        ],
        "domains": [_domain(*key, options) for key, options in store.domains.items() if options],
        "sequences": session.sequences.save(),
    }


def _domain(version: int, domain: int, options: DomainOptions) -> Json:
    return {
        "version": version,
        "domain": domain,
        "samplers": [[number, *_sampler(sampler)] for number, sampler in options.samplers.items()],
        "selections": [[number, *selectors] for number, selectors in options.selections.items()],
        "explicit": None if options.explicit is None else _sampler(options.explicit),
        "interface_rates": list(options.interface_rates.items()),
        "interfaces": [[number, *names] for number, names in options.interfaces.items()],
        "applications": [[number, *names] for number, names in options.applications.items()],
        "vrfs": [[number, *names] for number, names in options.vrfs.items()],
        "exporter": list(options.exporter.items()),
    }


def _sampler(sampler: Sampler) -> list[object]:
    return [sampler.rate, sampler.name, sampler.algorithm, sampler.learned]


def line_of(value: Json) -> bytes:
    """A line of the file, without its end."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def enclosed(lines: Sequence[bytes], now: float) -> bytes:
    """The whole file: head, ``lines``, foot."""
    body = b"\n".join([line_of({"format": FORMAT, "saved": now}), *lines, b""])
    return body + line_of({"sessions": len(lines), "crc32": zlib.crc32(body)}) + b"\n"


def lines_in(file: bytes) -> dict[str, SavedLine]:
    """Every session in a file by its key. :raises MalformedInput: it is damaged."""
    body, foot = _split(file)
    lines = body.split(b"\n")[:-1]
    if foot != {"sessions": len(lines) - 1, "crc32": zlib.crc32(body)}:
        raise MalformedInput("the check sum is another one: it was cut or changed")
    if len(lines) > MAX_LINES:
        raise MalformedInput(f"it has more than {MAX_LINES} lines")
    head, *sessions = lines
    if _object(head).get("format") != FORMAT:
        raise MalformedInput(f"it is not of format {FORMAT}")
    parsed = ((parse_line(line), line) for line in sessions)
    return {session.key: SavedLine(session.saved, line) for session, line in parsed}


def _split(file: bytes) -> tuple[bytes, Json]:
    end = file.rfind(b"\n", 0, -1) + 1
    if not end or not file.endswith(b"\n"):
        raise MalformedInput("it has no foot: it was cut")
    return file[:end], _object(file[end:])


def _object(line: bytes) -> Json:
    if len(line) > MAX_LINE:
        raise MalformedInput(f"a line has more than {MAX_LINE} bytes")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise MalformedInput("a line is not JSON") from None
    if not isinstance(value, dict):
        raise MalformedInput("a line is not an object")
    return value


def parse_line(line: bytes) -> SavedSession:
    """One session. :raises MalformedInput: it is none."""
    value = _object(line)
    return SavedSession(
        key=_text(value.get("key")),
        saved=_time(value.get("saved")),
        templates=tuple(_template(row) for row in _list(value.get("templates"), MAX_TEMPLATES)),
        domains=tuple(_options(entry) for entry in _list(value.get("domains"), MAX_ROWS)),
        sequences=value.get("sequences"),
    )


def _template(row: object) -> SavedTemplate:
    version, domain, template_id, scopes, refreshed, teachers, content = _row(row, 7)
    return SavedTemplate(
        version=_version(version),
        domain=_number(domain, MAX_DOMAIN_KEY),
        template_id=_number(template_id, MAX_ID),
        scopes=_number(scopes, MAX_ID),
        refreshed=_time(refreshed),
        teachers=tuple(_number(port, MAX_ID) for port in _list(teachers, MAX_ROWS)),
        content=_bytes(content),
    )


def _options(entry: object) -> SavedDomain:
    if not isinstance(entry, dict):
        raise MalformedInput("a domain is not an object")
    return SavedDomain(
        version=_version(entry.get("version")),
        domain=_number(entry.get("domain"), MAX_DOMAIN_KEY),
        samplers=tuple(
            (_number(row[0], MAX_NUMBER), _read_sampler(row[1:])) for row in _rows(entry.get("samplers"), 5)
        ),
        selections=tuple(_selection(row) for row in _list(entry.get("selections", []), MAX_ROWS)),
        explicit=None if entry.get("explicit") is None else _read_sampler(_row(entry.get("explicit"), 4)),
        interface_rates=tuple(
            (_number(row[0], MAX_NUMBER), _rate(row[1])) for row in _rows(entry.get("interface_rates"), 2)
        ),
        interfaces=_names(entry.get("interfaces")),
        applications=_names(entry.get("applications")),
        vrfs=_names(entry.get("vrfs")),
        exporter=tuple((_text(row[0]), _text(row[1])) for row in _rows(entry.get("exporter"), 2)),
    )


def _read_sampler(row: Sequence[object]) -> Sampler:
    rate, name, algorithm, learned = row
    return Sampler(_rate(rate), _text(name), _text(algorithm), _time(learned))


def _selection(row: object) -> tuple[int, Selectors]:
    numbers = [_number(number, MAX_NUMBER) for number in _list(row, 1 + MAX_SELECTORS)]
    if not numbers:
        raise MalformedInput("a selection sequence has no number")
    return numbers[0], tuple(numbers[1:])


def _names(value: object) -> tuple[tuple[int, str, str], ...]:
    return tuple((_number(row[0], MAX_NUMBER), _text(row[1]), _text(row[2])) for row in _rows(value, 3))


def _list(value: object, most: int) -> list[object]:
    if not isinstance(value, list) or len(value) > most:
        raise MalformedInput(f"a list of at most {most} entries is missing")
    return value


def _row(value: object, length: int) -> list[object]:
    row = _list(value, length)
    if len(row) != length:
        raise MalformedInput(f"a row has {len(row)} entries, not {length}")
    return row


def _rows(value: object, length: int) -> list[list[object]]:
    return [_row(row, length) for row in _list(value, MAX_ROWS)]


def _version(value: object) -> int:
    version = _number(value, MAX_ID)
    if version not in VERSIONS:
        raise MalformedInput(f"version {version} has no templates")
    return version


def _number(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise MalformedInput(f"a number between 0 and {most} is missing")
    return value


def _float(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise MalformedInput("a number is missing")
    return float(value) if abs(value) <= LARGEST_RATE else math.inf


def _rate(value: object) -> float:
    rate = _float(value)
    if not 1 <= rate <= LARGEST_RATE:
        raise MalformedInput("a sampling rate is out of range")
    return rate


def _time(value: object) -> float:
    time = _float(value)
    if not 0 <= time < MAX_TIME:
        raise MalformedInput("a time is out of range")
    return time


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise MalformedInput(f"a text of at most {MAX_TEXT} characters is missing")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise MalformedInput("a text has half a character")
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, str) or len(value) > 2 * MAX_SPECIFIERS:
        raise MalformedInput("field specifiers are missing")
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise MalformedInput("field specifiers are not hexadecimal") from None
