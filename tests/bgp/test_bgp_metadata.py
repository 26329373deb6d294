"""Metadata of the streams, both ways."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.bgp.interfaces import Connection
from kproxy_tw.bgp.metadata import (
    MAX_KEYS,
    Caller,
    Counts,
    Opening,
    caller_of,
    control_pairs,
    counts_of,
    data_pairs,
    gathered,
    opening_of,
    shown,
)
from kproxy_tw.errors import MalformedInput

CALLER = Caller(email="a@example.com", token="s3cret", version="1.0", instance="64bae291", site_id=7)
CONNECTION = Connection(
    session_id="cbce1788", device_ip="10.250.15.1", device_port=65411, proxy_ip="10.250.12.10", proxy_port=179
)
#: The example of the public documentation, with our values.
DOCUMENTED = {
    "backend-pin": ["42b0e9c9"],
    "counter-down": ["0"],
    "counter-up": ["0"],
    "device-ip": ["10.250.15.1"],
    "device-port": ["65411"],
    "instance": ["64bae291"],
    "proto": ["BGP"],
    "proxy-ip": ["10.250.12.10"],
    "proxy-port": ["179"],
    "session-id": ["cbce1788"],
    "version": ["1.0"],
    "x-ch-auth-api-token": ["***"],
    "x-ch-auth-email": ["a@example.com"],
}


def changed(**values: str | None) -> dict[str, tuple[str, ...]]:
    """Give a Data stream's metadata with some keys changed or, with ``None``, left out."""
    metadata = dict(gathered(data_pairs(CALLER, CONNECTION, Counts(), {})))
    for name, value in values.items():
        metadata.pop(name.replace("_", "-"), None)
        if value is not None:
            metadata[name.replace("_", "-")] = (value,)
    return metadata


def test_data_stream_as_documented() -> None:
    """Without a site the keys are those of the documented log line, and the token is not shown."""
    caller = Caller(email="a@example.com", token="s3cret", version="1.0", instance="64bae291")
    assert shown(data_pairs(caller, CONNECTION, Counts(), {"backend-pin": ("42b0e9c9",)})) == DOCUMENTED


def test_site_is_told() -> None:
    """A site narrows the look-up."""
    assert ("sid", "7") in control_pairs(CALLER)


def test_target_reads_what_the_agent_wrote() -> None:
    """Both directions of this module fit."""
    extra = {"backend-pin": ("p1", "p2")}
    read = opening_of(gathered(data_pairs(CALLER, CONNECTION, Counts(3, 4), extra)))
    assert read == Opening(caller=CALLER, connection=CONNECTION, counts=Counts(3, 4), extra=extra)


def test_either_name_of_the_token() -> None:
    """The comment of the published schema names the token differently."""
    metadata = {"x-ch-auth-email": ("a@example.com",), "x-ch-auth-token": ("s3cret",)}
    assert caller_of(metadata) == Caller(email="a@example.com", token="s3cret")


@pytest.mark.parametrize(
    "metadata",
    [
        changed(session_id=None),
        changed(session_id=""),
        changed(x_ch_auth_email=None),
        changed(x_ch_auth_api_token=None),
        changed(device_ip=None),
        changed(device_port="65536"),
        changed(device_port="-1"),
        changed(proxy_port="+179"),
        changed(proxy_port="\u0661"),
        changed(proto="LDP"),
        changed(counter_up="1e3"),
        changed(counter_down=str(1 << 63)),
        changed(counter_down=None),
        changed(sid="x"),
        {**changed(), "session-id": ("one", "two")},
    ],
)
def test_what_an_opening_must_hold(metadata: dict[str, tuple[str, ...]]) -> None:
    """A missing, doubled or wrong part is refused, and the error does not repeat the token."""
    with pytest.raises(MalformedInput) as caught:
        opening_of(metadata)
    assert "s3cret" not in str(caught.value)


def test_without_counters() -> None:
    """A server that tells none is not a server that tells zero."""
    assert counts_of({"server": ("envoy",)}) is None


@pytest.mark.parametrize(
    "key", ["session-id", "x-ch-auth-email", "te", "grpc-timeout", "pin-bin", ":path", "Upper", "", "k" * 129, "é"]
)
def test_what_is_never_echoed(key: str) -> None:
    """Control cannot set our own keys, those of HTTP/2, or what gRPC refuses to send."""
    plain = data_pairs(CALLER, CONNECTION, Counts(), {})
    assert data_pairs(CALLER, CONNECTION, Counts(), {key: ("x",)}) == plain


@pytest.mark.parametrize("value", ["line\nend", "ü", "x" * 4097])
def test_values_that_cannot_be_sent(value: str) -> None:
    """A value that would break the stream's header is left out, and the others are echoed."""
    pairs = data_pairs(CALLER, CONNECTION, Counts(), {"backend-pin": ("good",), "other": (value,)})
    assert ("backend-pin", "good") in pairs
    assert "other" not in dict(pairs)


def test_gathering_is_bounded() -> None:
    """A server with too many headers costs no more than a bounded number of them."""
    assert len(gathered((f"k{number}", "v") for number in range(1000))) == MAX_KEYS
    assert len(gathered(("key", "v") for _ in range(1000))["key"]) == MAX_KEYS


def test_token_in_no_text() -> None:
    """Values of the agent can be logged."""
    assert "s3cret" not in repr(CALLER)
    assert "s3cret" not in repr(opening_of(changed()))


TEXT = st.text(max_size=20) | st.sampled_from(["BGP", "0", "179", "10.0.0.1"])


@given(st.dictionaries(st.sampled_from(sorted(changed())) | TEXT, st.lists(TEXT, max_size=2).map(tuple)))
def test_any_metadata(metadata: dict[str, tuple[str, ...]]) -> None:
    """Whatever a peer sends is read or refused."""
    with contextlib.suppress(MalformedInput):
        opening_of(metadata)
