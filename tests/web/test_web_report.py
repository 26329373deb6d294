"""The text report, read the way public monitors read it."""

from __future__ import annotations

from kproxy_tw.status import Check, DeviceStatus, UnregisteredStatus
from kproxy_tw.testing.status import NOW, FixedStatus, sample_daemon, sample_device
from kproxy_tw.web.report import text_report
from kproxy_tw.web.snapshot import take

FAILING = Check(name="upstream", status="failing", detail="connection refused")


def report(
    *devices: DeviceStatus, unregistered: tuple[UnregisteredStatus, ...] = (), check: Check | None = None
) -> str:
    """The report of these devices."""
    status = FixedStatus(
        daemon_status=sample_daemon(),
        device_list=devices,
        unregistered_list=unregistered,
        check_list=[check] if check else [],
    )
    return text_report(take(status))


def source(address: str) -> UnregisteredStatus:
    """An unregistered source."""
    return UnregisteredStatus(
        source=address, port=2055, first_seen=NOW - 60, last_seen=NOW, datagrams=7, flow_type="netflow9"
    )


def test_positions_of_tokens() -> None:
    """Tokens stand where monitors count them, with Out15 followed by exactly two more characters."""
    tokens = report(sample_device(in1=11, out1=12, in15=13, out15=14)).split("\n")[3].split(" ")
    assert (tokens[0], tokens[1], tokens[4]) == ("*", "1001:edge_fra1_r1", "192.0.2.11")
    assert [tokens[7], tokens[9], tokens[11], tokens[13][:-2]] == ["11", "12", "13", "14"]
    assert (tokens[16], tokens[17]) == ("2026-09-21", "14:13:19")


def test_labels_stand_before_their_values() -> None:
    """A person reads the same line: each figure has its documented name in front."""
    line = report(sample_device()).split("\n")[3]
    for part in ("In1: 1380", "Out1: 58", "In15: 20644", "Out15: 893", "Last seen: 2026-09-21", "Sources: 192.0.2.11"):
        assert part in line
    assert line.endswith("Channel highwater: decode=12,deliver=3")


def test_lines_in_order() -> None:
    """Line 1 is the state, line 3 the number of devices, and the last three pieces are no devices."""
    pieces = report(sample_device(), sample_device(device_id=2)).split("\n")
    assert pieces[0] == "GOOD"
    assert pieces[2] == "Connected Devices: 2"
    assert [piece.split(" ")[1].split(":")[0] for piece in pieces[3:-3]] == ["1001", "2"]
    assert pieces[-3:] == ["", "Unregistered Devices: 0", ""]


def test_names_cannot_shift_tokens() -> None:
    """White space, line ends and controls in a name are escaped, so positions and lines stay."""
    names = ("a b  c", "x\ny", "tab\there", "nb\u00a0sp", "\u2028line", "esc\x1b[31m", "", "bidi\u202e")
    for name in names:
        text = report(sample_device(device_name=name))
        tokens = text.split("\n")[3].split(" ")
        assert len(text.split("\n")) == 7
        assert (tokens[4], tokens[16]) == ("192.0.2.11", "2026-09-21")
        assert tokens[1].isprintable()
        assert len(tokens[1].split()) == 1


def test_several_sources() -> None:
    """The first address is token 4, all of them are listed; a device without any keeps the positions."""
    line = report(sample_device(sources=("192.0.2.1", "2001:db8::1"))).split("\n")[3]
    assert line.split(" ")[4] == "192.0.2.1"
    assert "Sources: 192.0.2.1,2001:db8::1 " in line
    assert report(sample_device(sources=())).split("\n")[3].split(" ")[4] == "-"


def test_mark_of_silence() -> None:
    """The mark turns from ``*`` to ``-`` one minute after the last datagram."""
    lines = report(sample_device(last_seen=NOW - 59), sample_device(last_seen=NOW - 60)).split("\n")
    assert [line[0] for line in lines[3:5]] == ["*", "-"]


def test_unregistered_lines() -> None:
    """Number and lines of unregistered sources; the address is the third token."""
    pieces = report(unregistered=(source("203.0.113.9"), source("2001:db8::9"))).split("\n")
    assert pieces[4] == "Unregistered Devices: 2"
    tokens = [piece.split(" ") for piece in pieces[5:7]]
    assert [line[:4] for line in tokens] == [
        ["*", "Unregistered:", "203.0.113.9", "2055"],
        ["*", "Unregistered:", "2001:db8::9", "2055"],
    ]
    assert tokens[0][4] == "2026-09-21T14:12:20.000Z"


def test_bad_never_says_good() -> None:
    """Monitors search the whole text for GOOD: a device of that name must not hide a failure."""
    text = report(sample_device(device_name="GOODYEAR"), check=FAILING)
    assert text.startswith("BAD\n")
    assert "GOOD" not in text
    assert "upstream: connection refused" in text.split("\n")[1]


def test_initializing_is_good() -> None:
    """A daemon that starts is not reported as broken."""
    assert report(check=Check(name="devices", status="initializing", detail="asking")).startswith("GOOD\n")
