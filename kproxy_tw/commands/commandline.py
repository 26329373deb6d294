"""The parser: a list of arguments and a flag table become values.

Takes ``-name value``, ``-name=value``, ``--name value`` and ``--name=value``. A ``bool`` flag needs no value, and
takes one of true, false, t, f, 1, 0 behind ``=`` or as the next argument. Of several the last wins, unless the flag
gathers them. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from kproxy_tw.commands.flags import BOOL_WORDS, Flag, Value, by_spelling, normal

#: Longest part of a mistyped name that is shown.
SHOWN_NAME = 60


class BadCommandLine(ValueError):
    """The arguments cannot be used; ``str()`` is one line that names the flag and repeats no value of a secret."""


def parse(arguments: Sequence[str], flags: Iterable[Flag]) -> dict[str, Value]:
    """Parse a command line.

    :returns: values by :attr:`Flag.key`, of the flags that were given, in the order of their first appearance.
    :raises BadCommandLine: unknown flag, missing, needless or bad value, or an argument that belongs to no flag.
    """
    given: dict[str, Value] = {}
    for flag, text in _texts(arguments, flags):
        value = _value(flag, text)
        given[flag.key] = flag.gathered(given[flag.key], value) if flag.key in given else value
    return given


def secrets(arguments: Sequence[str], flags: Iterable[Flag]) -> frozenset[str]:
    """Find what was given for the flags that are secret, also where a later one replaces it.

    :raises BadCommandLine: unknown flag, missing or needless value, or an argument that belongs to no flag.
    """
    return frozenset(text for flag, text in _texts(arguments, flags) if flag.secret)


def _texts(arguments: Sequence[str], flags: Iterable[Flag]) -> Iterator[tuple[Flag, str]]:
    """Each flag with the text of its value."""
    index = by_spelling(flags)
    position, last = 0, ""
    while position < len(arguments):
        name, equals, text = _split(arguments[position], last)
        flag = _find(name, index)
        position += 1
        if not equals:
            text, used = _value_behind(flag, arguments[position:], index)
            position += used
        yield flag, text
        last = flag.name


def _split(argument: str, last: str) -> tuple[str, str, str]:
    """Take ``-name=value`` apart; the second part is empty when there is no ``=``."""
    dashes = len(argument) - len(argument.lstrip("-"))
    name, equals, text = argument[dashes:].partition("=")
    if dashes not in (1, 2) or not name:
        where = f" after -{last}" if last else " at the start"
        raise BadCommandLine(f"unexpected argument{where}: flags begin with a dash, as in -port 9995")
    return name, equals, text


def _find(name: str, index: Mapping[str, Flag]) -> Flag:
    flag = index.get(normal(name))
    if flag is None:
        shown = _printable(name)
        raise BadCommandLine(f"unknown flag -{shown}{_suggestion(name, index)}; -h lists all flags")
    return flag


def _suggestion(name: str, index: Mapping[str, Flag]) -> str:
    """Name the nearest known flag, whatever the case of its letters."""
    folded = {spelling.lower(): spelling for spelling in index if len(spelling) > 1}
    near = difflib.get_close_matches(normal(name[:SHOWN_NAME]).lower(), folded, n=1)
    return f", did you mean -{index[folded[near[0]]].name}?" if near else ""


def _value_behind(flag: Flag, rest: Sequence[str], index: Mapping[str, Flag]) -> tuple[str, int]:
    """Find the value in the next argument; tell how many arguments it took."""
    following = rest[0] if rest else None
    if flag.kind == "bool":
        return (following, 1) if following is not None and following.lower() in BOOL_WORDS else ("true", 0)
    if following is None or _is_flag(following, index):
        raise BadCommandLine(f"-{flag.name} needs a value ({flag.kind})")
    return following, 1


def _is_flag(argument: str, index: Mapping[str, Flag]) -> bool:
    name = argument.removeprefix("-").removeprefix("-").partition("=")[0]
    return argument.startswith("-") and normal(name) in index


def _value(flag: Flag, text: str) -> Value:
    try:
        return flag.parse(text)
    except ValueError as problem:
        raise BadCommandLine(f"-{flag.name} {problem}") from None


def _printable(name: str) -> str:
    return ascii(name[:SHOWN_NAME])[1:-1]
