"""Where kbgp connects to, and through which proxy."""

from __future__ import annotations

import pytest

from kproxy_tw.bgp.reasons import explain
from kproxy_tw.bgp.target import DEFAULT_TARGET, target
from kproxy_tw.bgp.webproxy import web_proxy, without_password
from kproxy_tw.errors import ConfigError
from kproxy_tw.upstream.regions import region_domain


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("", "grpc.api.kentik.com:443"),
        ("us", "grpc.api.kentik.com:443"),
        ("iad1", "grpc.api.kentik.com:443"),
        ("eu", "grpc.api.kentik.eu:443"),
        ("fra1", "grpc.api.kentik.eu:443"),
        ("our1", "grpc.api.our1.kentik.com:443"),
    ],
)
def test_regions(region: str, host: str) -> None:
    """The documented hosts; the last one is that of the documented status example."""
    assert target(region_domain(region), None) == host
    assert target(region_domain(region), DEFAULT_TARGET) == host


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("bgp.example.com:8443", "bgp.example.com:8443"),
        ("bgp.example.com", "bgp.example.com:443"),
        ("10.0.0.1:20443", "10.0.0.1:20443"),
        ("[2001:db8::1]:20443", "[2001:db8::1]:20443"),
        ("[2001:db8::1]", "[2001:db8::1]:443"),
        ("bgp.example.com:", "bgp.example.com:443"),
    ],
)
def test_own_target(given: str, wanted: str) -> None:
    """``--target`` overrides the region; the port may be left out."""
    assert target("kentik.com", given) == wanted


@pytest.mark.parametrize(
    "given", ["https://x:443", ":443", "x:0", "x:65536", "x:https", "a b:1", "u:p@x:1", "x/y", "2001:db8::1", ""]
)
def test_targets_that_cannot_be(given: str) -> None:
    """They stop the start."""
    with pytest.raises(ConfigError, match="target"):
        target("kentik.com", given)


def test_insecure_only_here_unless_said_twice() -> None:
    """A token does not cross the network in clear by one word."""
    assert target("kentik.com", "127.0.0.1:20443", 1) == "127.0.0.1:20443"
    assert target("kentik.com", "localhost:20443", 1) == "localhost:20443"
    assert target("kentik.com", "10.0.0.1:20443", 2) == "10.0.0.1:20443"
    for elsewhere in ("10.0.0.1:20443", None, DEFAULT_TARGET):
        with pytest.raises(ConfigError, match="say it twice"):
            target("kentik.com", elsewhere, 1)


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://joe:p4ss@10.0.0.3:3128"}, "http://joe:p4ss@10.0.0.3:3128"),
        ({"https_proxy": "http://10.0.0.4", "HTTPS_PROXY": "http://10.0.0.3:3128"}, "http://10.0.0.4:80"),
        ({"HTTPS_PROXY": "proxy.example.com:3128"}, "http://proxy.example.com:3128"),
        ({"HTTPS_PROXY": "http://[2001:db8::1]:3128/"}, "http://[2001:db8::1]:3128"),
        ({"HTTP_PROXY": "http://10.0.0.3:3128"}, ""),
    ],
)
def test_web_proxy(environ: dict[str, str], proxy: str) -> None:
    """With TLS it is ``HTTPS_PROXY`` that counts."""
    assert web_proxy(environ, "grpc.api.kentik.com:443") == proxy


def test_web_proxy_without_tls() -> None:
    """Without TLS it is ``HTTP_PROXY``, and never for this machine."""
    environ = {"HTTP_PROXY": "http://10.0.0.3:3128"}
    assert web_proxy(environ, "10.0.0.1:20443", insecure=True) == "http://10.0.0.3:3128"
    assert web_proxy(environ, "127.0.0.1:20443", insecure=True) == ""


@pytest.mark.parametrize(
    ("no_proxy", "target", "direct"),
    [
        ("*", "grpc.api.kentik.com:443", True),
        ("kentik.com", "grpc.api.kentik.com:443", True),
        (".kentik.com", "grpc.api.kentik.com:443", True),
        ("entik.com", "grpc.api.kentik.com:443", False),
        ("a.example, GRPC.api.kentik.com:443", "grpc.api.kentik.com:443", True),
        ("grpc.api.kentik.com:8443", "grpc.api.kentik.com:443", False),
        ("10.0.0.0/8", "10.1.2.3:443", True),
        ("10.0.0.0/8", "11.1.2.3:443", False),
        ("10.1.2.3:443", "10.1.2.3:443", True),
        ("2001:db8::/32", "[2001:db8::1]:443", True),
        ("2001:db8::1", "[2001:db8::1]:443", True),
        ("[2001:db8::1]:8443", "[2001:db8::1]:443", False),
        ("", "grpc.api.kentik.com:443", False),
    ],
)
def test_no_proxy(no_proxy: str, target: str, direct: bool) -> None:
    """Domains with all below them, addresses, networks and ports."""
    environ = {"HTTPS_PROXY": "http://10.0.0.3:3128", "NO_PROXY": no_proxy}
    assert (web_proxy(environ, target) == "") is direct


@pytest.mark.parametrize(
    "setting", ["https://joe:p4ss@10.0.0.3:3128", "socks5://joe:p4ss@h:1", "http://joe:p4ss@h:x", "http://joe:p4ss@/"]
)
def test_proxies_that_cannot_be(setting: str) -> None:
    """They stop the start, and the password is not repeated."""
    with pytest.raises(ConfigError) as caught:
        web_proxy({"HTTPS_PROXY": setting}, "grpc.api.kentik.com:443")
    assert "p4ss" not in str(caught.value)


def test_proxy_without_its_password() -> None:
    """Logs and pages show the host alone."""
    assert without_password("http://joe:p4ss@10.0.0.3:3128") == "10.0.0.3:3128"
    assert without_password("http://10.0.0.3:3128") == "10.0.0.3:3128"


@pytest.mark.parametrize(
    ("code", "details", "words"),
    [
        ("UNAUTHENTICATED", "no", "t:1 answered UNAUTHENTICATED: the e-mail or the token is not accepted"),
        ("UNAVAILABLE", "failed to connect: Connection refused (111)", "t:1, or the web proxy, refused the connection"),
        ("UNAVAILABLE", "DNS resolution failed for t:1", "the name of t:1 was not found"),
        ("INVALID_ARGUMENT", "said: Connection refused", "t:1 answered INVALID_ARGUMENT: said: Connection refused"),
        ("UNKNOWN", "a\nb\x1b[0m", "t:1 answered UNKNOWN: a b [0m"),
        ("INTERNAL", None, "t:1 answered INTERNAL"),
    ],
)
def test_reasons(code: str, details: str | None, words: str) -> None:
    """What went wrong is said for people; what a peer says is printed with care."""
    assert explain(code, details, "t:1").startswith(words)
