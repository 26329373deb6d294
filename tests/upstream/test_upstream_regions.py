"""From three flags to four URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.errors import ConfigError
from kproxy_tw.upstream.regions import Endpoints, endpoints, is_loopback


def service(domain: str) -> Endpoints:
    """The endpoints of the public service under ``domain``."""
    return Endpoints(
        api=f"https://api.{domain}/api/internal",
        flow=f"https://flow.{domain}/chf",
        tsdb=f"https://flow.{domain}/tsdb",
        dns=f"https://flow.{domain}/dns",
    )


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("", "kentik.com"),
        ("US", "kentik.com"),
        ("iad1", "kentik.com"),
        ("eu", "kentik.eu"),
        ("fra1", "kentik.eu"),
        ("our1", "our1.kentik.com"),
    ],
)
def test_region_chooses_every_host(region: str, domain: str) -> None:
    """A region moves all four URLs, whether -api is left out or has its documented default."""
    assert endpoints(region, None, None) == service(domain)
    assert endpoints(region, "https://api.kentik.com/api/internal", None) == service(domain)


def test_api_of_another_service_region_brings_its_flow_host() -> None:
    """Flow goes to the region that answers for the devices."""
    assert endpoints("", "https://api.kentik.eu/api/internal", None) == service("kentik.eu")
    assert endpoints("", "https://api.jp1.kentik.com/api/internal/", None) == service("jp1.kentik.com")


@pytest.mark.parametrize("host", ["https://collector.example.com:20443", "http://127.0.0.1:20080", "http://[::1]:1"])
def test_own_host_takes_everything(host: str) -> None:
    """A host of one's own answers for the API and takes flow; a bare host means the usual API path."""
    expected = Endpoints(
        api=f"{host}/api/internal", flow=f"{host}/chf", tsdb=f"{host}/tsdb", dns=f"{host}/dns", snmp=f"{host}/snmp"
    )
    assert endpoints("", f"{host}/api/internal", None) == expected
    assert endpoints("eu", host, None) == expected


def test_flow_url_moves_flow_and_what_is_beside_it() -> None:
    """-flow_url wins over the region and over -api, which keep the API."""
    found = endpoints("eu", None, "https://flows.example.com/in/chf")
    assert found.api == "https://api.kentik.eu/api/internal"
    assert (found.flow, found.tsdb) == ("https://flows.example.com/in/chf", "https://flows.example.com/in/tsdb")
    assert found.dns == "https://flows.example.com/in/dns"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://collector.example.com/api", "plain http would show the token"),
        ("http://127.0.0.1.example.com/", "plain http"),
        ("ftp://127.0.0.1/", "must look like https://host/path"),
        ("collector.example.com", "must look like"),
        ("https://", "must look like"),
        ("https://a..b/", "must look like"),
        ("https://me:secret@host/", "no user name, password"),
        ("https://host/?a=b", "query"),
        ("https://host:99999/", "is no URL"),
        ("https://host/a b", "is no URL"),
        ("https://h/" + "x" * 3000, "too long"),
    ],
)
def test_unusable_url_names_the_flag_and_repeats_no_password(url: str, text: str) -> None:
    """Both URL flags refuse what cannot work or would give the token away."""
    for flag, arguments in (("api", (url, None)), ("flow_url", (None, url))):
        with pytest.raises(ConfigError, match=text) as refused:
            endpoints("", *arguments)
        assert refused.value.flag == flag
        assert "secret" not in str(refused.value)


def test_impossible_region_is_refused() -> None:
    """A region cannot smuggle another host into the URLs."""
    for region in ("evil.com/", "a b", "-x", "a" * 64):
        with pytest.raises(ConfigError, match="-region"):
            endpoints(region, None, None)


def test_loopback_is_judged_by_the_address_not_by_its_beginning() -> None:
    """127.0.0.0/8, ::1 and localhost are this machine, lookalikes are not."""
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST")))
    assert not any(map(is_loopback, ("127.0.0.1.example.com", "0.0.0.0", "10.0.0.1", "localhost.example.com", "")))  # noqa: S104


@given(st.text(max_size=60))
def test_any_text_gives_urls_or_a_configuration_error(text: str) -> None:
    """Whatever is typed, nothing but ConfigError comes out."""
    for arguments in ((text, None, None), ("", text, None), ("", None, "https://" + text)):
        try:
            found = endpoints(*arguments)
        except ConfigError:
            continue
        assert found.flow.startswith(("https://", "http://"))
