"""What a command line flag is, and how its text becomes a value.

The tables beside this module are made of these. Pure: nothing here reads the process.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from attrs import field, frozen

Kind = Literal["string", "int", "uint", "float", "bool"]
Value = str | int | float | bool | None

#: A number with more digits than this fits no machine word.
MAX_DIGITS = 20
MAX_INT = 2**63 - 1

BOOL_WORDS: Mapping[str, bool] = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)


class State(enum.Enum):
    """What giving the flag does in this release."""

    WORKS = "works"
    NOT_YET = "not yet"
    OBSOLETE = "obsolete"


@frozen
class Flag:
    """One flag.

    :ivar name: as documented, without dashes (``api_email``, ``sampleInterval``, ``log-level``).
    :ivar kind: type of the value, in the documents' words.
    :ivar help: one line for ``-h`` and the reference page.
    :ivar default: value when neither the command line nor the environment gives one; ``None`` for none.
    :ivar state: whether it works.
    :ivar metavar: what stands for the value in the help.
    :ivar aliases: other spellings (``h`` for ``help``).
    :ivar environment: variable that gives the value when the command line does not; empty for none.
    :ivar secret: the value is never shown.
    :ivar gather: what becomes of several: the ``last`` wins, all make one ``list`` with commas, or a ``bool`` is
        the ``count`` of how often it was said.
    :ivar choices: the allowed values; empty for any.
    :ivar low: smallest allowed number.
    :ivar high: largest allowed number.
    :ivar compute: gives the default on this machine; then ``default_text`` describes it.
    :ivar default_text: the default in words, where a value does not say it.
    """

    name: str
    kind: Kind
    help: str
    default: Value = None
    state: State = State.NOT_YET
    metavar: str = field(default="", kw_only=True)
    aliases: tuple[str, ...] = field(default=(), kw_only=True)
    environment: str = field(default="", kw_only=True)
    secret: bool = field(default=False, kw_only=True)
    gather: Literal["last", "list", "count"] = field(default="last", kw_only=True)
    choices: tuple[str, ...] = field(default=(), kw_only=True)
    low: int | None = field(default=None, kw_only=True)
    high: int | None = field(default=None, kw_only=True)
    compute: Callable[[], str] | None = field(default=None, kw_only=True)
    default_text: str = field(default="", kw_only=True)

    @property
    def key(self) -> str:
        """Name under which the value is kept: underscores for dashes."""
        return normal(self.name)

    def initial(self) -> Value:
        """Give the default on this machine; an unset ``bool`` is ``False``."""
        if self.compute is not None:
            return self.compute()
        if self.kind == "bool":
            return bool(self.default)
        return self.default

    def parse(self, text: str) -> Value:
        """Make a value of what the user typed.

        :raises ValueError: the text is no such value; the message repeats no secret.
        """
        value = _PARSERS[self.kind](text, self)
        if self.choices and value not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}{self._typed(text)}")
        return value

    def gathered(self, before: Value, value: Value) -> Value:
        """Join a value with those that were given before it."""
        if self.gather == "list":
            return f"{before},{value}"
        if self.gather == "count":
            return int(before or 0) + 1 if value else 0
        return value

    def _typed(self, text: str) -> str:
        return "" if self.secret else f", not {text[:40]!r}"

    def _in_range(self, number: float, text: str) -> None:
        if self.low is not None and number < self.low:
            raise ValueError(f"must be at least {self.low}{self._typed(text)}")
        if self.high is not None and number > self.high:
            raise ValueError(f"must be at most {self.high}{self._typed(text)}")


def normal(name: str) -> str:
    """Dash and underscore are interchangeable: ``log-level`` and ``log_level`` are one name."""
    return name.replace("-", "_")


def by_spelling(flags: Iterable[Flag]) -> dict[str, Flag]:
    """Index a table by every accepted spelling, normalized.

    :raises ValueError: two flags share a spelling.
    """
    index: dict[str, Flag] = {}
    for flag in flags:
        for spelling in (flag.name, *flag.aliases):
            if index.setdefault(normal(spelling), flag) is not flag:
                raise ValueError(f"two flags are spelled -{spelling}")
    return index


def _string(text: str, flag: Flag) -> str:
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    return text


def _integer(text: str, flag: Flag) -> int:
    if not _INTEGER.fullmatch(text) or len(text) > MAX_DIGITS or abs(int(text)) > MAX_INT:
        raise ValueError(f"must be a whole number{flag._typed(text)}")
    flag._in_range(int(text), text)
    return int(text)


def _unsigned(text: str, flag: Flag) -> int:
    number = _integer(text, flag)
    if number < 0:
        raise ValueError(f"must not be negative{flag._typed(text)}")
    return number


def _float(text: str, flag: Flag) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"must be a number{flag._typed(text)}")
    flag._in_range(number, text)
    return number


def _bool(text: str, flag: Flag) -> bool:
    try:
        return BOOL_WORDS[text.lower()]
    except KeyError:
        raise ValueError(f"must be true or false{flag._typed(text)}") from None


_PARSERS: Mapping[Kind, Callable[[str, Flag], Value]] = {
    "string": _string,
    "int": _integer,
    "uint": _unsigned,
    "float": _float,
    "bool": _bool,
}
