"""Which protocol a datagram is of."""

from __future__ import annotations

import pytest

from kproxy_tw.decode.dispatch import detect, walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.errors import MalformedInput, UnknownVersion
from tests.decode.netflow_bytes import NOW_NS, ipfix, v5, v5_record, v9

SFLOW = bytes.fromhex("00000005 00000001 c0000201 00000000 00000001 00000000 00000000")
"""An sFlow datagram of 192.0.2.1 without samples."""


@pytest.mark.parametrize(
    ("data", "flow_type"),
    [(v5(v5_record()), "netflow5"), (v9(), "netflow9"), (ipfix(), "ipfix"), (SFLOW, "sflow")],
)
def test_version_words(data: bytes, flow_type: str) -> None:
    """Each protocol is known by its version word and walked by its own module."""
    assert detect(data) == flow_type
    assert walk(data, TemplateCache(), NOW_NS).flow_type == flow_type


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\x08\0\1", b"\0\0\0\4", b"\0\0\0", b"GET / HTTP/1.1"])
def test_unknown_versions(data: bytes) -> None:
    """Everything else is of no protocol that we know, and is said so."""
    with pytest.raises(UnknownVersion):
        detect(data)
    with pytest.raises(UnknownVersion):
        walk(data, TemplateCache(), NOW_NS)


@pytest.mark.parametrize("data", [v5()[:10], v9()[:10], ipfix()[:10], SFLOW[:10]])
def test_short_headers(data: bytes) -> None:
    """A known version with a cut header is malformed, not unknown."""
    with pytest.raises(MalformedInput) as caught:
        walk(data, TemplateCache(), NOW_NS)
    assert not isinstance(caught.value, UnknownVersion)
