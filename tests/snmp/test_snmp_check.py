"""What a check prints of a poll."""

from __future__ import annotations

import pytest

from kproxy_tw.snmp.check.text import report
from kproxy_tw.snmp.reading import ErrorKind, PollError
from kproxy_tw.snmp.settings import SnmpTarget
from tests.snmp.readings import described, interface, reading

TARGET = SnmpTarget(device_id=7, address="192.0.2.1", community="C4NARY")


@pytest.mark.parametrize(
    ("kind", "text", "outcome", "line"),
    [
        (ErrorKind.NO_ANSWER, "no answer to 2 requests", "did not answer", "  failed: no answer to 2 requests"),
        (ErrorKind.REFUSED, "nobody listens", "did not answer", "  failed: port closed: nobody listens"),
        (
            *(ErrorKind.UNKNOWN_USER, "the agent knows no user x"),
            *("refused the request", "  failed: unknown user: the agent knows no user x"),
        ),
    ],
)
def test_an_agent_that_refuses_has_answered(kind: ErrorKind, text: str, outcome: str, line: str) -> None:
    """Whoever reads that it did not answer would look for a packet filter."""
    failed = reading(system=None, error=PollError(kind=kind, text=text), failures=1)
    head, problem = report(TARGET, failed).splitlines()[:2]
    assert head == f"192.0.2.1 port 161, version 2c, community ***: {outcome}"
    assert problem == line


def test_usual_types_are_named() -> None:
    """The others are numbers of IANAifType-MIB."""
    lines = report(TARGET, described(interface(1, type=6), interface(2, type=199))).splitlines()
    heads = next(line.split() for line in lines if line.split()[:2] == ["index", "name"])
    types = [line.split()[2] for line in lines if "ge-0/0/" in line and "bit/s" in line]
    assert (heads[3], types) == ("type", ["ethernet", "199"])
