"""The table of sessions, its history and its sums."""

from __future__ import annotations

import pytest

from kproxy_tw.bgp.counts import ENDINGS, REFUSALS, BgpCounts
from kproxy_tw.bgp.interfaces import Connection
from kproxy_tw.bgp.opening import Opening
from kproxy_tw.bgp.rivals import rivals
from kproxy_tw.bgp.sessions import HISTORY, Session, SessionTable
from tests.bgp.bgp_messages import KEEPALIVE, open_message


def session(address: str = "10.1.0.1", router_id: str = "") -> Session:
    """One session that has relayed an OPEN and two KEEPALIVEs."""
    place = Connection(session_id="s", device_ip=address, device_port=41000, proxy_ip="10.0.0.1", proxy_port=179)
    made = Session(connection=place, since_ns=10**18, began=100.0, bytes_up=1000, bytes_down=10, resumes=1)
    made.up.feed(open_message() + KEEPALIVE)
    made.down.feed(KEEPALIVE)
    if router_id:
        made.router = Opening(autonomous_system=65010, hold_time=90, router_id=router_id)
    return made


def test_by_address() -> None:
    """All sessions of an address, the oldest first."""
    table = SessionTable(BgpCounts())
    first, other, second = session(), session("10.1.0.2"), session()
    for one in (first, other, second):
        table.add(one)
    assert list(table.of("10.1.0.1")) == [first, second]
    assert (len(table), list(table)) == (3, [first, other, second])


def test_history_keeps_the_last_20() -> None:
    """The latest first, each with its reason."""
    table = SessionTable(BgpCounts())
    for number in range(HISTORY + 5):
        one = session()
        table.add(one)
        table.end(one, "router_closed", f"reason {number}", now=150.0, now_ns=number)
    history = table.history()
    assert len(history) == 20
    assert (history[0].reason, history[-1].reason, history[0].seconds) == ("reason 24", "reason 5", 50.0)


def test_sums_do_not_change_when_a_session_ends() -> None:
    """Open and ended sessions count alike."""
    table = SessionTable(BgpCounts())
    kept, ending = session(), session("10.1.0.2")
    table.add(kept)
    table.add(ending)
    before = table.totals()
    table.end(ending, "stall", "", now=101.0, now_ns=0)
    after = table.totals()
    for counts in (before, after):
        assert (counts.bytes_up, counts.bytes_down, counts.resumes, counts.sessions_opened) == (2000, 20, 2, 2)
        assert counts.messages_up == {"Open": 2, "Keepalive": 2}
        assert counts.messages_down == {"Keepalive": 2}
    assert (after.ended["stall"], len(table)) == (1, 1)


def test_hold_time_is_the_smaller_one() -> None:
    """RFC 4271 section 4.2; unknown and zero stand for a large one."""
    one = session(router_id="10.1.0.1")
    assert (session().hold_seconds, one.hold_seconds) == (240, 90)
    one.backend = Opening(autonomous_system=1, hold_time=30, router_id="10.0.0.1")
    assert one.hold_seconds == 30


def test_only_known_reasons() -> None:
    """A reason that is not in the list would be missing from the metrics."""
    counts = BgpCounts()
    for count, reasons in ((counts.refuse, REFUSALS), (counts.end, ENDINGS)):
        for reason in reasons:
            count(reason)
        with pytest.raises(ValueError, match="no such reason"):
            count("whim")
    assert counts.refused == dict.fromkeys(REFUSALS, 1)


@pytest.mark.parametrize(
    ("mine", "other", "same"),
    [("10.1.0.1", "10.1.0.1", True), ("10.1.0.1", "10.1.0.2", False), ("", "10.1.0.1", True), ("10.1.0.1", "", True)],
)
def test_rivals(mine: str, other: str, same: bool) -> None:
    """Another BGP identifier is another router behind the same address; no OPEN proves nothing."""
    before = session(router_id=other)
    assert rivals(session(router_id=mine), [before]) == ([before] if same else [])
