"""Credentials: when they are demanded, and which ones do."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.collector.credentials import Credentials, is_loopback
from kproxy_tw.errors import ConfigError

GIVEN = Credentials("a@b.example", "s3cret-token")


def basic(text: str) -> bytes:
    """An Authorization header."""
    return b"Basic " + base64.b64encode(text.encode())


def test_right_pair_only() -> None:
    """Both halves count."""
    assert GIVEN.match_headers([b"a@b.example"], [b"s3cret-token"])
    for email, token in ((b"a@b.example", b"x"), (b"x", b"s3cret-token"), (b"", b""), (b"a@b.example", b"")):
        assert not GIVEN.match_headers([email], [token])


def test_repeated_headers_are_refused() -> None:
    """Which of two values counts is not guessed."""
    assert not GIVEN.match_headers([b"a@b.example"], [b"s3cret-token", b"s3cret-token"])


def test_any_non_empty_pair_on_loopback() -> None:
    """Without a configured pair anything non-empty will do."""
    credentials = Credentials.for_listener("127.0.0.1", "", "")
    assert credentials.match_headers([b"x"], [b"y"])
    assert not credentials.match_headers([b"x"], [b""])
    assert not credentials.match_headers([], [])
    assert credentials.open_pages


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "collector.example"])  # noqa: S104
def test_required_beyond_loopback(host: str) -> None:
    """An address that others can reach needs a pair, for reading too."""
    with pytest.raises(ConfigError, match="required"):
        Credentials.for_listener(host, "", "")
    assert not Credentials.for_listener(host, "a", "b").open_pages


@pytest.mark.parametrize(("email", "token", "flag"), [("a", "", "token"), ("", "b", "email")])
def test_half_a_pair(email: str, token: str, flag: str) -> None:
    """Half a pair names the missing flag."""
    with pytest.raises(ConfigError) as caught:
        Credentials.for_listener("127.0.0.1", email, token)
    assert caught.value.flag == flag


def test_basic() -> None:
    """HTTP Basic carries the same pair; tokens may hold colons."""
    assert GIVEN.match_basic([basic("a@b.example:s3cret-token")])
    assert Credentials("a", "b:c").match_basic([basic("a:b:c")])
    assert not GIVEN.match_basic([basic("a@b.example:wrong")])
    assert not GIVEN.match_basic([b"Bearer s3cret-token"])
    assert not GIVEN.match_basic([])


@given(st.lists(st.binary(max_size=80), max_size=3))
def test_any_authorization_header(values: list[bytes]) -> None:
    """Nothing raises, and nothing random gets in."""
    assert not GIVEN.match_basic(values)


def test_token_is_not_shown() -> None:
    """The representation goes to logs."""
    assert "s3cret" not in repr(GIVEN)


@pytest.mark.parametrize(("host", "loopback"), [("127.9.9.9", True), ("::1", True), ("localhost", True), ("", False)])
def test_loopback(host: str, loopback: bool) -> None:
    """All of 127/8, ::1 and localhost."""
    assert is_loopback(host) is loopback
