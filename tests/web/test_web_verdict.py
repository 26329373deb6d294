"""The first line of the pages when something is wrong: what, since when, and what to do."""

from __future__ import annotations

from time import localtime, strftime
from typing import Any

import attrs
import pytest

from kproxy_tw.bgp.counts import BgpCounts
from kproxy_tw.bgp.denylist import DeniedStatus
from kproxy_tw.bgp.interfaces import ControlStatus
from kproxy_tw.bgp.overview import control_check
from kproxy_tw.bgp.status import EndedStatus, KbgpSettings, KbgpStatus, SessionStatus
from kproxy_tw.ledger import Ledger
from kproxy_tw.status import Check
from kproxy_tw.testing.status import NOW, FixedStatus, sample_daemon, sample_device
from kproxy_tw.web.judgement import Verdict
from kproxy_tw.web.kbgp.verdict import verdict as kbgp_verdict
from kproxy_tw.web.pages.device import verdict as device_verdict
from kproxy_tw.web.pages.kproxy import content
from kproxy_tw.web.snapshot import Snapshot, take
from kproxy_tw.web.tables.choice import Choice
from kproxy_tw.web.verdict import verdict

NINE_MINUTES = 540.0


def at(seconds_ago: float) -> str:
    """A moment before now as the pages tell it."""
    return strftime("%H:%M", localtime(NOW - seconds_ago))


def moment(*checks: Check, lately: Ledger | None = None) -> Snapshot:
    """A kproxy whose checks say this."""
    daemon = sample_daemon(spool={"Messages": 31, "Bytes": 58_800}, lately=lately or Ledger())
    return take(FixedStatus(daemon_status=daemon, check_list=checks))


def away(seconds: float | None = NINE_MINUTES) -> Check:
    """Delivery fails."""
    detail = "1 of 1 devices: 6 attempts failed, the last one: 192.0.2.9:443 refused the connection"
    return Check(name="delivery", status="failing", detail=detail, seconds=seconds)


def test_a_backend_that_is_away_is_told_with_its_time_and_a_remedy() -> None:
    """A backend that is away is told with its time and a remedy."""
    judged = verdict(moment(away()))
    assert judged.level == "bad"
    assert judged.sentence == f"No flow reaches the backend, since {at(NINE_MINUTES)}; 31 messages waiting."
    assert [point.href for point in judged.points] == ["/upstream"]
    assert f"refused the connection, since {at(NINE_MINUTES)}: kproxy doctor" in judged.points[0].text


def test_what_some_devices_cannot_deliver_is_not_called_everything() -> None:
    """What some devices cannot deliver is not called everything."""
    lately = Ledger()
    lately.messages_sent = 3
    assert (
        verdict(moment(away(None), lately=lately)).sentence == "Not all flow reaches the backend; 31 messages waiting."
    )


def test_a_device_list_that_does_not_come_is_told() -> None:
    """A device list that does not come is told."""
    check = Check(name="devices", status="failing", detail="192.0.2.9:443 refused the connection", seconds=120.0)
    judged = verdict(moment(check))
    assert judged.sentence == f"The backend does not answer which devices there are, since {at(120)}."
    assert judged.points[0].href == "/upstream"


def test_an_unknown_failing_check_leads_to_the_table_of_checks() -> None:
    """An unknown failing check leads to the table of checks."""
    judged = verdict(moment(Check(name="spool", status="failing", detail="no space left on the device")))
    assert judged.sentence.startswith("Something is broken")
    assert judged.points[0].href == "#checks"
    assert judged.points[0].text == "spool: no space left on the device: look at the disk of -state_dir"


def test_what_is_broken_tells_since_when() -> None:
    """The sentence has the check that has failed for longest, each point its own."""
    spool = Check(name="spool", status="failing", detail="no space left on the device", seconds=120.0)
    clock = Check(name="clock", status="failing", detail="90 s ahead", seconds=NINE_MINUTES)
    judged = verdict(moment(spool, clock))
    assert judged.sentence == f"Something is broken, since {at(NINE_MINUTES)}; flow may not reach the backend."
    assert f"no space left on the device, since {at(120)}: look at the disk" in judged.points[0].text
    assert f"90 s ahead, since {at(NINE_MINUTES)}: set this machine's clock" in judged.points[1].text


@pytest.mark.parametrize(("checks", "said"), [((away(),), True), ((), False)])
def test_the_strip_shows_at_which_stage_it_fails(checks: tuple[Check, ...], said: bool) -> None:
    """The strip shows at which stage it fails."""
    values = content(moment(*checks), Choice()).values
    for strip in (values["strip"], values["upright"]):
        assert ("deliver ✕ failing" in str(strip)) is said
        assert ("deliver failing," in str(strip)) is said


def test_a_devices_page_says_since_when_and_what_to_do() -> None:
    """A devices page says since when and what to do."""
    judged = device_verdict(sample_device(last_seen=NOW - 900, ledger=Ledger()), NOW)
    expected = f"it has sent nothing for 15 min, since {at(900)}: look at its export, and at the network between"
    assert [point.text for point in judged.points] == [expected]


def session(address: str) -> SessionStatus:
    """An open session of a router."""
    return SessionStatus(
        peer=f"{address}:179",
        device_ip=address,
        session_id="x",
        device="peering_fra1",
        since_ns=0,
        seconds=60.0,
        connected=True,
        md5=False,
        backend_pin="",
        resumes=0,
        bytes_up=1,
        bytes_down=1,
        messages_up={},
        messages_down={},
        capabilities=(),
    )


def ended(address: str, seconds_ago: float, reason: str) -> EndedStatus:
    """A session that has ended."""
    return EndedStatus(
        session=session(address), ended_ns=int((NOW - seconds_ago) * 1e9), cause="router_lost", reason=reason
    )


def judged_bgp(**changes: Any) -> Verdict:
    """What kbgp says."""
    status = KbgpStatus(
        instance_id="x",
        version="1",
        start_ns=int((NOW - 90_000) * 1e9),
        now_ns=int(NOW * 1e9),
        control=ControlStatus(connected=True),
        settings=KbgpSettings(
            listeners=(), md5_enabled=False, md5_interface="", target="grpc.example.net:443", email="", site_id=0
        ),
        sessions=(),
        history=(),
        denied=(),
        counts=BgpCounts(sessions_opened=3),
        pending=0,
        stalled=0,
        checks=(),
    )
    return kbgp_verdict(attrs.evolve(status, **changes))


def test_a_router_that_is_gone_is_missed_by_its_name() -> None:
    """A router that is gone is missed by its name."""
    judged = judged_bgp(
        history=(
            ended("192.0.2.31", 600, "the router reset the connection"),
            ended("192.0.2.31", 900, "hold timer"),
            ended("192.0.2.32", 700, "came back"),
            ended("192.0.2.33", 100_000, "long ago"),
        ),
    )
    told = f"192.0.2.31 (peering_fra1) has no session, since {at(600)}: the router reset the connection"
    assert judged.level == "attention"
    assert judged.sentence == "No router is connected; 2 things to look at."
    assert judged.points[0].text == told
    assert judged.points[0].href == "#ended"


def test_a_router_that_came_back_is_not_missed() -> None:
    """A router that came back is not missed."""
    history = (ended("192.0.2.31", 600, "the router reset the connection"),)
    assert judged_bgp(history=history, sessions=(session("192.0.2.31"),)).points == ()


def test_an_unknown_router_is_told_with_the_time_of_the_next_question() -> None:
    """An unknown router is told with the time of the next question."""
    denied = (DeniedStatus(device_ip="192.0.2.40", reason="INVALID", ttl_seconds=90, refused=1),)
    points = judged_bgp(denied=denied).points
    assert [point.text[-len("asked again in 1 min 30 s") :] for point in points] == ["asked again in 1 min 30 s"]


def test_a_control_stream_that_is_away_is_told_since_its_last_message() -> None:
    """A control stream that is away is told since its last message."""
    control = ControlStatus(messages_received=4, last_received=NOW - 300, last_error="connection refused")
    check = control_check(control, NOW, 90_000)
    judged = judged_bgp(control=control, checks=(check,))
    expected = (
        f"control stream: connection refused, since {at(300)}: see whether this machine reaches grpc.example.net:443"
    )
    assert judged.level == "bad"
    assert judged.points[0].text == expected
