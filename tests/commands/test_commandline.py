"""The parser of the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.commands.commandline import BadCommandLine, parse
from kproxy_tw.commands.flags import Flag, Value
from kproxy_tw.commands.flags_kproxy import KPROXY_FLAGS

SPELLINGS = [
    spelling
    for flag in KPROXY_FLAGS
    for name in (flag.name, flag.name.replace("_", "-"), flag.name.replace("-", "_"), *flag.aliases)
    for spelling in (f"-{name}", f"--{name}")
]


def sample_of(flag: Flag) -> tuple[str, Value]:
    """Make a text that the flag takes, and its value."""
    if flag.choices:
        return flag.choices[0], flag.choices[0]
    if flag.kind == "bool":
        return "false", False
    if flag.kind == "string":
        return "some text=x", "some text=x"
    number = flag.low or 7
    return str(number), float(number) if flag.kind == "float" else number


@pytest.mark.parametrize("dashes", ["-", "--"])
@pytest.mark.parametrize("equals", [False, True])
@pytest.mark.parametrize("swap", [("_", "_"), ("_", "-"), ("-", "_")])
def test_every_flag_in_every_form(dashes: str, equals: bool, swap: tuple[str, str]) -> None:
    """Each flag takes its value in both prefix forms, with both separators, with dash or underscore."""
    for flag in KPROXY_FLAGS:
        text, value = sample_of(flag)
        name = dashes + flag.name.replace(*swap)
        arguments = [f"{name}={text}"] if equals else [name, text]
        assert parse(arguments, KPROXY_FLAGS) == {flag.key: value}


def test_bool_needs_no_value() -> None:
    """A bool flag alone is true, also in front of another flag and at the end."""
    assert parse(["-stdout", "-port", "1", "--fg"], KPROXY_FLAGS) == {"stdout": True, "port": 1, "fg": True}


def test_bool_takes_a_word() -> None:
    """A bool flag takes a following true or false, as nothing else could be meant."""
    assert parse(["-stdout", "false", "-fg", "1"], KPROXY_FLAGS) == {"stdout": False, "fg": True}


def test_documented_example() -> None:
    """The documents' own example with many flags parses."""
    line = (
        "-local_proxy http://10.10.2.2:3128 -proxy-http 192.168.2.16:3182 -bootstrap_devices 104884,88726 "
        "-dns 192.168.1.2:53 -my_network 192.168.1.0/24,192.168.2.0/24 -api_email=agent@example.com "
        "-log_level=info -host=0.0.0.0 -proxy_host=127.0.0.1 -healthcheck=0.0.0.0 -port=9995"
    )
    given_ = parse(line.split(), KPROXY_FLAGS)
    assert given_["proxy_http"] == "192.168.2.16:3182"
    assert given_["port"] == 9995
    assert given_["my_network"] == "192.168.1.0/24,192.168.2.0/24"
    assert len(given_) == 11


def test_the_last_one_wins() -> None:
    """A flag that is given twice has its last value."""
    assert parse(["-port", "1", "--port=2"], KPROXY_FLAGS) == {"port": 2}


def test_case_matters() -> None:
    """sampleInterval is typed as documented; another case is unknown, and the right one is suggested."""
    assert parse(["-sampleInterval=2000"], KPROXY_FLAGS) == {"sampleInterval": 2000}
    with pytest.raises(BadCommandLine, match=r"unknown flag -sampleinterval, did you mean -sampleInterval\?"):
        parse(["-sampleinterval=2000"], KPROXY_FLAGS)


def test_values_that_begin_with_a_dash() -> None:
    """A value may begin with a dash unless it is itself a flag."""
    assert parse(["-api_token", "-x9z"], KPROXY_FLAGS) == {"api_token": "-x9z"}
    assert parse(["-api_token=-port"], KPROXY_FLAGS) == {"api_token": "-port"}
    with pytest.raises(BadCommandLine, match="-api_token needs a value"):
        parse(["-api_token", "-port", "1"], KPROXY_FLAGS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-prot", "1"], "unknown flag -prot, did you mean -port"),
        (["-zzzzzz"], "unknown flag -zzzzzz; -h lists"),
        (["-port"], r"-port needs a value \(int\)"),
        (["-port", "x"], "-port must be a whole number, not 'x'"),
        (["-port=0"], "-port must be at least 1"),
        (["-stdout=maybe"], "-stdout must be true or false"),
        (["-log_level", "loud"], "-log_level must be one of access"),
        (["9995"], "unexpected argument at the start"),
        (["-port", "1", "2"], "unexpected argument after -port"),
        (["-"], "unexpected argument"),
        (["--"], "unexpected argument"),
        (["---port=1"], "unexpected argument"),
        (["-=1"], "unexpected argument"),
        ([""], "unexpected argument"),
    ],
)
def test_mistakes_name_the_flag(arguments: list[str], message: str) -> None:
    """Each mistake is told in one line that names the flag."""
    with pytest.raises(BadCommandLine, match=message):
        parse(arguments, KPROXY_FLAGS)


@pytest.mark.parametrize(
    "arguments",
    [["-api_token=", "canary-7"], ["-api_tokn=canary-7"], ["-api_token", "x", "canary-7"], ["canary-7"]],
)
def test_a_slip_does_not_show_the_token(arguments: list[str]) -> None:
    """A mistyped token flag, or a space too many, does not print the token."""
    with pytest.raises(BadCommandLine) as caught:
        parse(arguments, KPROXY_FLAGS)
    assert "canary" not in str(caught.value)


@given(st.lists(st.one_of(st.text(), st.sampled_from(SPELLINGS), st.sampled_from(SPELLINGS).map("{}=7".format))))
def test_any_arguments(arguments: list[str]) -> None:
    """Any list of arguments parses or is refused in one bounded, printable line."""
    try:
        given_ = parse(arguments, KPROXY_FLAGS)
    except BadCommandLine as problem:
        line = str(problem)
    else:
        line = ""
        assert len(given_) <= len(arguments)
    assert line.isprintable()
    assert len(line) < 300
