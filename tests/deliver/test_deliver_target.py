"""The URL that names the device."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from kproxy_tw.deliver.target import sender_id, target
from kproxy_tw.devices.device import Device


@pytest.mark.parametrize("name", ["edge1", "a b&c=d", "r:1/2?#%", "stra\N{LATIN SMALL LETTER SHARP S}e", "a\nb"])
def test_name_survives_the_query_whatever_it_holds(name: str) -> None:
    """An independent query parser gets back exactly what went in, and the text is plain ASCII."""
    url = target("https://flow.kentik.com/chf", sender_id(Device(device_id=7, company_id=1013, name=name)))
    parts = urlsplit(url)
    assert url.isascii()
    assert parts.path == "/chf"
    assert parse_qsl(parts.query, strict_parsing=True) == [("sid", "0"), ("sender_id", f"1013:{name}:7")]


def test_colons_are_percent_encoded() -> None:
    """As the Go clients send it."""
    assert target("https://h/chf", "1:dev1:1") == "https://h/chf?sid=0&sender_id=1%3Adev1%3A1"
