"""How the text of a flag becomes a value."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.commands.flags import Flag, Kind, Value, by_spelling

KINDS: tuple[Kind, ...] = ("string", "int", "uint", "float", "bool")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "a b=c", "a b=c"),
        ("string", "", ""),
        ("int", "-12", -12),
        ("int", "+9995", 9995),
        ("uint", "12000", 12000),
        ("float", "1e3", 1000.0),
        ("bool", "TRUE", True),
        ("bool", "0", False),
    ],
)
def test_values(kind: Kind, text: str, value: Value) -> None:
    """Every kind takes its usual spellings."""
    parsed = Flag("x", kind, "").parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", ""),
        ("int", "1_000"),
        ("int", " 5"),
        ("int", "٣"),
        ("int", "9" * 19),
        ("int", "9" * 100_000),
        ("int", "0x10"),
        ("uint", "-1"),
        ("float", "nan"),
        ("float", "inf"),
        ("float", "x"),
        ("bool", "yes"),
        ("string", "a\0b"),
    ],
)
def test_refused_values(kind: Kind, text: str) -> None:
    """What a shell script could get wrong is refused, not guessed."""
    with pytest.raises(ValueError, match="must"):
        Flag("x", kind, "").parse(text)


@given(kind=st.sampled_from(KINDS), text=st.text())
def test_any_text_parses_or_is_a_value_error(kind: Kind, text: str) -> None:
    """No text makes anything but a value of its kind or a one-line ValueError."""
    try:
        value, line = Flag("x", kind, "").parse(text), ""
    except ValueError as problem:
        value, line = None, str(problem)
    assert line.isprintable()
    assert not isinstance(value, float) or math.isfinite(value)


def test_a_secret_is_not_repeated() -> None:
    """The message about a bad secret does not show it."""
    for flag in (Flag("x", "int", "", secret=True), Flag("x", "string", "", secret=True, choices=("a",))):
        with pytest.raises(ValueError, match="must") as caught:
            flag.parse("canary-7")
        assert "canary" not in str(caught.value)


def test_limits() -> None:
    """A number outside its range is refused with the limit."""
    port = Flag("port", "int", "", low=1, high=65534)
    assert port.parse("1") == 1
    assert port.parse("65534") == 65534
    for text, limit in (("0", "at least 1"), ("65535", "at most 65534")):
        with pytest.raises(ValueError, match=limit):
            port.parse(text)


def test_two_flags_with_one_spelling() -> None:
    """A table in which two flags are typed alike is an error of the table."""
    with pytest.raises(ValueError, match="a_b"):
        by_spelling([Flag("a-b", "int", ""), Flag("a_b", "int", "")])
