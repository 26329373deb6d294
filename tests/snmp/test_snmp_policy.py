"""Which addresses may be polled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.errors import MalformedInput
from kproxy_tw.snmp.inputs.policy import TargetPolicy, allowed, endpoint

FORBIDDEN = [
    *("127.0.0.1", "127.255.255.254", "::1", "::", "169.254.1.1", "fe80::1", "169.254.169.254"),
    "0.0.0.0",  # noqa: S104 - nothing is bound
    *("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "224.0.0.1", "ff02::1", "255.255.255.255"),
    *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1"),
]


@pytest.mark.parametrize("text", FORBIDDEN)
def test_this_machine_its_link_and_clouds_are_out_of_bounds(text: str) -> None:
    """Also where they are dressed up as IPv6."""
    address, _port = endpoint(text)
    assert "-snmp_allow" in TargetPolicy().refusal(address)


@pytest.mark.parametrize("text", ["10.0.0.1", "192.0.2.1", "172.16.5.4", "2001:db8::1", "fd12:3456::1", "100.64.0.1"])
def test_routers_are_polled(text: str) -> None:
    """Private addresses are where routers are managed."""
    assert TargetPolicy().refusal(endpoint(text)[0]) == ""


@pytest.mark.parametrize(
    ("allow", "address", "passes"),
    [
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("::1, 10.0.0.0/8", "::1", True),
        ("fe80::/10", "fe80::1", True),
        ("fe80::/10", "127.0.0.1", False),
        ("169.254.169.254", "169.254.169.254", True),
    ],
)
def test_the_operator_makes_exceptions(allow: str, address: str, passes: bool) -> None:
    """``-snmp_allow``."""
    assert (TargetPolicy(allowed(allow)).refusal(address) == "") is passes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.1", ("192.0.2.1", 161)),
        ("192.0.2.1:1161", ("192.0.2.1", 1161)),
        ("2001:db8::1", ("2001:db8::1", 161)),
        ("[2001:DB8::1]", ("2001:db8::1", 161)),
        ("[2001:db8::1]:1161", ("2001:db8::1", 1161)),
        (" ::ffff:192.0.2.1 ", ("192.0.2.1", 161)),
    ],
)
def test_an_address_with_or_without_a_port(text: str, found: tuple[str, int]) -> None:
    """As in the API, the file and ``-snmp_ip``."""
    assert endpoint(text) == found


@pytest.mark.parametrize(
    "text", ["", "router", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x", "[::1", "[::1]x", "1.2.3"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Names are not looked up."""
    with pytest.raises(MalformedInput):
        endpoint(text)


@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused(text: str) -> None:
    """What is taken can be judged."""
    try:
        address, port = endpoint(text)
    except MalformedInput:
        return
    assert 0 < port < 65536
    TargetPolicy().refusal(address)
