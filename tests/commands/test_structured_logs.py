"""kbgp's log: JSON and for people, with the documented names and without secrets."""

from __future__ import annotations

import json
from typing import Any

from twisted.logger import LogEvent, LogLevel

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kproxy_tw.commands.structured_logs import StructuredLog
from kproxy_tw.redaction import Redaction

TOKEN = "canary/token+7"
LOG = StructuredLog(Redaction([TOKEN]))


def event(message: str, level: LogLevel = LogLevel.info, **fields: Any) -> LogEvent:
    """An event as ``Logger`` makes it; 1690304509.87 is 2023-07-25T17:01:49.870Z."""
    return {"log_format": message, "log_level": level, "log_time": 1690304509.87, "log_namespace": "x", **fields}


DENIED: dict[str, Any] = {
    "component": "proxy/client-data",
    "device_ip": "::1",
    "local_addr": "[::1]:179",
    "peer_addr": "[::1]:49285",
    "sessid": "904e3b00",
    "ttl_counter": 0,
    "ttl_seconds": 1200,
}


def test_for_people() -> None:
    """The line of the documentation, field by field, in its order."""
    assert LOG.human(event("Deny-listed an INVALID / UNKNOWN device", **DENIED)) == (
        "2023-07-25T17:01:49.870Z INF Deny-listed an INVALID / UNKNOWN device component=proxy/client-data device_ip=::1"
        " local-addr=[::1]:179 peer-addr=[::1]:49285 service=ktbgp-agent sessid=904e3b00 ttl_counter=0"
        " ttl_seconds=1200\n"
    )


def test_the_documented_line_about_a_stream() -> None:
    """The public documentation's sample, but for the token."""
    metadata = {"backend-pin": ["42b0e9c9"], "counter-down": ["0"], "x-ch-auth-api-token": ["canary"]}
    line = LOG.human(
        event(
            "opening Data stream",
            client_metadata=metadata,
            device="1289:a6r_kx1_gobgpd:127353-ipv4",
            local_addr="10.250.12.10:179",
            module="proxy/client-data",
            peer_addr="10.250.15.1:65411",
            session_id="cbce1788",
        )
    )
    assert line == (
        "2023-07-25T17:01:49.870Z INF opening Data stream"
        ' client-metadata={"backend-pin":["42b0e9c9"],"counter-down":["0"],"x-ch-auth-api-token":["***"]}'
        " device=1289:a6r_kx1_gobgpd:127353-ipv4 local-addr=10.250.12.10:179 module=proxy/client-data"
        " peer-addr=10.250.15.1:65411 service=ktbgp-agent session-id=cbce1788\n"
    )


def test_for_machines() -> None:
    """The same as one line of JSON with the same names and types."""
    line = LOG.machine(event("Deny-listed", **DENIED))
    assert line is not None
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "level": "info",
        "service": "ktbgp-agent",
        "time": "2023-07-25T17:01:49.870Z",
        "message": "Deny-listed",
        "component": "proxy/client-data",
        "device_ip": "::1",
        "local-addr": "[::1]:179",
        "peer-addr": "[::1]:49285",
        "sessid": "904e3b00",
        "ttl_counter": 0,
        "ttl_seconds": 1200,
    }


@pytest.mark.parametrize(
    "field",
    [
        {"client_metadata": {"x-ch-auth-api-token": [TOKEN], "proto": ["BGP"]}},
        {"reason": f"the server said {TOKEN}"},
        {"url": "https://x/?t=canary%2Ftoken%2B7"},
        {"header": "Y2FuYXJ5L3Rva2VuKzc="},
        {"password": "something-else"},
    ],
)
@pytest.mark.parametrize("form", [LOG.machine, LOG.human])
def test_secrets(field: dict[str, Any], form: Any) -> None:
    """Neither the token in any form, nor the value of a field that is called like one."""
    line = form(event("hello {token}", token=TOKEN, **field))
    assert "***" in line
    for secret in (TOKEN, "canary%2Ftoken%2B7", "Y2FuYXJ5L3Rva2VuKzc=", "something-else"):
        assert secret not in line


@given(text=st.text(max_size=80), value=st.text(max_size=80))
def test_nothing_forges_a_line(text: str, value: str) -> None:
    """Whatever comes from outside, there is one line of JSON, and no control character for a terminal."""
    machine = LOG.machine(event("{text}", text=text, value=value))
    human = LOG.human(event("x {value}", text=text, value=value))
    assert machine is None or (machine.count("\n") == 1 and json.loads(machine)["message"] != "")
    assert human is not None
    assert all(c.isprintable() or c in "\n\t" for c in human)
    assert [line[:1] for line in human.splitlines()[1:]] == ["\t"] * (len(human.splitlines()) - 1)


@pytest.mark.parametrize(
    ("level", "word"),
    [
        (LogLevel.debug, "DBG"),
        (LogLevel.info, "INF"),
        (LogLevel.warn, "WRN"),
        (LogLevel.error, "ERR"),
        (LogLevel.critical, "PNC"),
    ],
)
def test_levels(level: LogLevel, word: str) -> None:
    """Three letters each."""
    assert f"Z {word} x " in str(LOG.human(event("x", level)))


def test_values_with_blanks_are_quoted() -> None:
    """So that a field ends where it ends."""
    line = LOG.human(event("x", reason='he said "no"', count=3, on=True, none=None, names=["a", "b"]))
    assert line is not None
    assert line.endswith('count=3 names=["a","b"] none=null on=true reason="he said \\"no\\"" service=ktbgp-agent\n')


def test_short_secrets_take_no_words_apart() -> None:
    """A token of three letters is replaced by its field's name only."""
    assert Redaction(["abc", ""]).clean("abc is not a secret") == "abc is not a secret"
