"""Which way to a host: the flag, the variables, their exceptions."""

from __future__ import annotations

from base64 import b64encode

import pytest

from kproxy_tw.errors import ConfigError
from kproxy_tw.upstream.proxies import Proxies, Proxy, proxies

AUTHORIZED = "Basic " + b64encode(b"us er:p@ss").decode()


def test_nothing_said_leads_straight() -> None:
    """Without flag and variables nobody stands between."""
    assert proxies(None, {}).route("flow.kentik.com", 443) is None


@pytest.mark.parametrize(
    ("flag", "environment", "host"),
    [
        ("http://flag:3128", {"HTTPS_PROXY": "http://variable:3128"}, "flag"),
        (None, {"HTTPS_PROXY": "http://one:3128", "HTTP_PROXY": "http://two:3128"}, "one"),
        (None, {"https_proxy": "small:3128"}, "small"),
        (None, {"HTTP_PROXY": "http://two:3128"}, "two"),
    ],
)
def test_the_flag_wins_over_the_variables(flag: str | None, environment: dict[str, str], host: str) -> None:
    """In the order that the module promises."""
    assert proxies(flag, environment).route("flow.kentik.com", 443) == Proxy(host, 3128)


def test_user_and_password_are_for_the_proxy_and_never_shown() -> None:
    """They are percent-encoded in the URL, and in no representation."""
    route = proxies("http://us%20er:p%40ss@10.1.1.1:3128", {}).route("flow.kentik.com", 443)
    assert route == Proxy("10.1.1.1", 3128, AUTHORIZED)
    assert "p@ss" not in f"{route!r} {route} {proxies('http://u:p@ss@h:1', {})!r}"
    assert AUTHORIZED not in repr(route)


@pytest.mark.parametrize(
    "entry",
    ["*", "kentik.com", ".kentik.com", "*.kentik.com", "flow.kentik.com", "FLOW.Kentik.com", "flow.kentik.com:443"],
)
def test_exceptions_by_name(entry: str) -> None:
    """A name means itself and all below it; a port narrows it down."""
    chosen = proxies("http://proxy:3128", {"NO_PROXY": f"other.example, {entry}"})
    assert chosen.route("flow.kentik.com", 443) is None


@pytest.mark.parametrize("entry", ["evilkentik.com", "tik.com", "flow.kentik.com:8443", "10.0.0.0/8", "", ","])
def test_what_is_no_exception(entry: str) -> None:
    """A name that only ends alike, another port, an address."""
    assert proxies("http://proxy:3128", {"no_proxy": entry}).route("flow.kentik.com", 443) is not None


@pytest.mark.parametrize(
    ("host", "entry", "straight"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:8443", False),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("2001:db8::1", "2001:db8::/32", True),
        ("2001:db8::1", "[2001:db8::1]:443", True),
        ("10.1.2.3", "1.2.3", False),
    ],
)
def test_exceptions_by_address(host: str, entry: str, straight: bool) -> None:
    """Addresses and prefixes of both families."""
    assert (proxies("http://proxy:3128", {"NO_PROXY": entry}).route(host, 443) is None) is straight


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_is_never_reached_through_a_proxy(host: str) -> None:
    """A proxy elsewhere would reach its own loopback."""
    assert Proxies(proxy=Proxy("proxy", 3128)).route(host, 20080) is None


@pytest.mark.parametrize(
    "text",
    ["proxy:3128", "socks5://proxy:1080", "http://", "http://p:99999", "http://p/x", "http://p:1/?q", "http://a b"],
)
def test_a_proxy_that_cannot_be_is_refused_by_the_name_of_the_flag(text: str) -> None:
    """One line that names the flag."""
    with pytest.raises(ConfigError, match="local_proxy"):
        proxies(text, {})


def test_a_bad_variable_is_named_and_its_password_is_not() -> None:
    """The complaint is for people who see logs, not for those who may see passwords."""
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        proxies(None, {"HTTPS_PROXY": "ftp://user:canary@proxy:1"})
    assert "canary" not in str(caught.value)
