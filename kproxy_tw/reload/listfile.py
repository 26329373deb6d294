"""Files of settings in JSON: an object with one list of objects, read so that an error can name the line.

Values never appear in an error: some of them are secrets, and a field may hold another one's by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any

from kproxy_tw.errors import MalformedInput

_SPACE = re.compile(r"[ \t\r\n]*")


class BadFile(MalformedInput):
    """The file cannot be used; says where and why."""


class BadField(MalformedInput):
    """A key of an entry is none, or has a value that it cannot have.

    :param key: which one; empty where it is the entry itself.
    """

    def __init__(self, key: str, problem: str, *, known: bool = True) -> None:
        super().__init__(f"{key if known else shown(key)} {problem}" if key else problem)
        self.key = key

    def place(self, text: str, start: int, end: int) -> str:
        """The line of the key in the entry that stands in ``text[start:end]``; of the entry, if it is not there."""
        found = re.compile(rf'"{re.escape(self.key)}"\s*:').search(text, start, end) if self.key else None
        return line_at(text, found.start() if found else start)


class KeyTwice(MalformedInput):
    """An object has a key twice.

    :ivar key: it.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"{shown(key)} is there twice")
        self.key = key


def unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For ``object_pairs_hook``: an object. :raises KeyTwice: it has a key twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        raise KeyTwice(next(name for name in found if names.count(name) > 1))
    return found


_DECODER = JSONDecoder(object_pairs_hook=unique_object)


def shown(name: str) -> str:
    """The name of a key as an error may show it."""
    return repr(name[:40])


def text_of(content: bytes, most: int) -> str:
    """The text of a file. :raises BadFile: it has more than ``most`` bytes, or is not UTF-8."""
    if len(content) > most:
        raise BadFile(f"{len(content)} bytes, at most {most} are taken")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise BadFile(f"line {line}: is not UTF-8") from None


def line_at(text: str, position: int) -> str:
    """``line 7``: where a position is."""
    return f"line {text.count(chr(10), 0, position) + 1}"


def checked_keys(fields: object, keys: Collection[str], what: str) -> dict[str, Any]:
    """An entry, called ``what``, that has no other keys. :raises BadField: it has, or is no object."""
    if not isinstance(fields, dict):
        raise BadField("", f"{what} must be an object")
    unknown = next((key for key in fields if key not in keys), None)
    if unknown is not None:
        raise BadField(unknown, f"is no key of {what}; there are {', '.join(sorted(keys))}", known=False)
    return fields


def members(text: str, name: str, mark: re.Pattern[str]) -> Iterator[tuple[int, int, object]]:
    """The members of the list ``name``, each with where it begins and ends.

    :param mark: finds whose a member is that is no valid JSON; its group is named as errors call such a thing.
    :raises BadFile: the file is no object that holds this list and nothing else.
    """
    at = _expect(text, _skip(text, 0), "{")
    listed = False
    while (at := _skip(text, at)) < len(text) and text[at] != "}":
        if listed:
            at = _skip(text, _expect(text, at, ","))
        key, at = _value(text, at, mark)
        if key != name or listed:
            problem = "is there twice" if key == name else f"is no key of the file; only {name} is"
            raise BadFile(f"{line_at(text, at - 1)}: {shown(str(key))} {problem}")
        at = _expect(text, _skip(text, _expect(text, _skip(text, at), ":")), "[")
        at = yield from _of_list(text, at, mark)
        listed = True
    at = _skip(text, _expect(text, at, "}"))
    if not listed:
        raise BadFile(f'{line_at(text, at)}: there is no "{name}"')
    if at < len(text):
        raise BadFile(f"{line_at(text, at)}: something follows the end")


def _of_list(text: str, at: int, mark: re.Pattern[str]) -> Generator[tuple[int, int, object], None, int]:
    """The members of a list, and at last where it ends."""
    first = True
    while (at := _skip(text, at)) < len(text) and text[at] != "]":
        if not first:
            at = _skip(text, _expect(text, at, ","))
        value, end = _value(text, at, mark)
        yield at, end, value
        at, first = end, False
    return _expect(text, at, "]")


def _value(text: str, at: int, mark: re.Pattern[str]) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except JSONDecodeError as problem:
        raise BadFile(f"{_place(text, at, problem.pos, mark)}: no valid JSON: {problem.msg}") from None
    except KeyTwice as problem:
        found = [match.start() for match in re.finditer(rf'"{re.escape(problem.key)}"\s*:', text[at:])]
        position = at + found[1] if len(found) > 1 else at
        raise BadFile(f"{_place(text, at, position, mark)}: {problem}") from None
    except (ValueError, RecursionError):
        raise BadFile(f"{_place(text, at, at, mark)}: no valid JSON") from None


def _place(text: str, begin: int, position: int, mark: re.Pattern[str]) -> str:
    """The line of a position in an object that cannot be read, and whose it is as far as it can be seen."""
    end = text.find("}", position)
    found = mark.search(text, begin, end if end >= 0 else len(text))
    return line_at(text, position) + (f", {found.lastgroup} {found[1]}" if found else "")


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _expect(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        raise BadFile(f"{line_at(text, at)}: no valid JSON: {sign!r} is expected")
    return at + 1
