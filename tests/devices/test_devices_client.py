"""The client of the device API: what it asks, and what it makes of each kind of answer."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from kproxy_tw.devices.client import ApiRefused, DeviceApi
from kproxy_tw.errors import MalformedInput, UpstreamError
from kproxy_tw.testing.offload import inline
from kproxy_tw.testing.upstream import RecordingSession
from tests.devices.api_objects import BASE, api_object, listing, result_of, single


def api(session: RecordingSession) -> DeviceApi:
    """The client under test, with a base URL as a user would type it."""
    return DeviceApi(session, BASE + "/", offload=inline)


def test_fetches_the_whole_list() -> None:
    """All devices come from GET {base}/devices, with a body of at most 32 MiB."""
    session = RecordingSession([listing(api_object(1, "10.0.0.1"), api_object(2))])
    found = result_of(api(session).all_devices())
    assert [device.device_id for device in found.devices] == [1, 2]
    (asked,) = session.requests
    assert (asked.method, asked.url, asked.body, asked.limit) == ("GET", BASE + "/devices", None, 32 * 1024 * 1024)


@pytest.mark.parametrize(
    ("address", "path"), [("10.0.0.1", "/device/10.0.0.1"), ("2001:db8::1", "/device/2001%3Adb8%3A%3A1")]
)
def test_asks_for_one_address(address: str, path: str) -> None:
    """An address of either family stands safely in the path, and the answer may have at most 1 MiB."""
    session = RecordingSession([single(api_object(5, address))])
    found = result_of(api(session).device(address))
    assert found is not None
    assert found.sending_addresses == {address}
    assert (session.requests[0].url, session.requests[0].limit) == (BASE + path, 1024 * 1024)


def test_an_unknown_address_is_none() -> None:
    """404 for one address is an answer, whatever its body is."""
    client = api(RecordingSession([(404, {}, b"<html>")]))
    assert result_of(client.device("10.0.0.1")) is None
    assert client.last_status == 404


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_name_the_flags_and_never_the_token(status: int) -> None:
    """The message says what to check; a server that sends the token back does not get it into our log."""
    client = api(RecordingSession(otherwise=(status, {}, b'{"error":"bad token CANARY"}')))
    for flow in (client.all_devices(), client.device("10.0.0.1")):
        with pytest.raises(ApiRefused, match=r"-api_email and -api_token") as refused:
            result_of(flow)
        assert refused.value.credentials
        assert refused.value.wait_seconds == 60.0
        assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "headers", "wait", "words"),
    [
        (404, {}, 0.0, "-api and -region"),
        (302, {"location": "https://elsewhere.example"}, 0.0, "not followed"),
        (500, {}, 0.0, "HTTP 500"),
        (204, {}, 0.0, "HTTP 204"),
        (429, {"Retry-After": "30"}, 30.0, "HTTP 429"),
        (503, {"Retry-After": "86400"}, 600.0, "HTTP 503"),
        (503, {"Retry-After": "soon"}, 0.0, "HTTP 503"),
    ],
)
def test_other_answers_are_upstream_errors(status: int, headers: Mapping[str, str], wait: float, words: str) -> None:
    """Any other status is an error that names it; Retry-After counts, up to ten minutes."""
    client = api(RecordingSession([(status, headers, b"{}")]))
    with pytest.raises(ApiRefused, match=words) as refused:
        result_of(client.all_devices())
    assert (refused.value.status, refused.value.wait_seconds, client.last_status) == (status, wait, status)
    assert not refused.value.credentials


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff\xfe{", b'{"device":', b"[" * 200_000, b'{"devices": 5, "device": 5}', b"[]"]
)
def test_an_answer_of_another_kind_is_malformed(body: bytes) -> None:
    """What is not the JSON of the API is refused, nesting that would break the parser included."""
    client = api(RecordingSession(otherwise=(200, {}, body)))
    for flow in (client.all_devices(), client.device("10.0.0.1")):
        with pytest.raises(MalformedInput):
            result_of(flow)


def test_a_lost_connection_comes_through() -> None:
    """The session's own error is passed on as it is."""
    with pytest.raises(UpstreamError, match="no route"):
        result_of(api(RecordingSession([UpstreamError("no route")])).all_devices())


def test_the_body_is_taken_as_utf_8() -> None:
    """Names outside ASCII arrive as they are."""
    body = json.dumps({"device": api_object(1, device_name="Zürich")}, ensure_ascii=False).encode("utf-8")
    found = result_of(api(RecordingSession([(200, {}, body)])).device("10.0.0.1"))
    assert found is not None
    assert found.name == "Zürich"
