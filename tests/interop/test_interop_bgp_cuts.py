"""The way between kbgp and kcollect is cut while a table is under way; one of 200,000 routes in the long tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.bgp_daemons import TERMINATOR_PORT, Bird, Session
from tests.interop.bgp_lab import Lab, sessions_of, wait
from tests.interop.bgp_streams import Stream, captured, streams
from tests.interop.bgp_tables import table
from tests.interop.namespaces import need_namespaces
from tests.long import LONG

TABLE_ROUTES = 200_000
SMALL_TABLE_ROUTES = 60_000
UPLINK_RATE = "12mbit"
"""So that the table takes some seconds, and the cut comes into it."""

RECOVERY_SECONDS = 90.0
"""After a long cut: the control stream's backoff, the router's retry, and the daemon's."""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab without routers, nothing of ours started yet."""
    need_namespaces()
    with Lab(tmp_path) as lab:
        yield lab


def start(lab: Lab, count: int = TABLE_ROUTES, hold: int = 90) -> tuple[Bird, Session]:
    """Everything up, the table on its way: some thousand routes have arrived, most have not."""
    (session,) = sessions_of(1, {"ipv4": table(count)}, hold=hold)
    lab.device(1, session.local)
    lab.start()
    lab.agent.throttle("uplink", UPLINK_RATE)
    router = lab.bird(1, [session])
    wait(lambda: lab.terminator.route_count() > count // 50, "no routes arrive", lab.kbgp)
    assert lab.terminator.route_count() < count * 9 // 10
    return router, session


def only(found: list[Stream], port: int, *, to: bool) -> Stream:
    """The one stream to (or from) a port."""
    (stream,) = [each for each in found if (each.target if to else each.source)[1] == port]
    return stream


RESET, SILENCE = "reject with tcp reset", "drop"
"""The first breaks the streams at once, the second is noticed by nobody but who waits."""


@pytest.mark.parametrize(
    ("verdict", "seconds", "count"),
    [
        pytest.param(RESET, 1.0, SMALL_TABLE_ROUTES, id="1 s"),
        pytest.param(RESET, 1.0, TABLE_ROUTES, id="1 s, 200,000 routes", marks=LONG),
        pytest.param(SILENCE, 10.0, TABLE_ROUTES, id="10 s, 200,000 routes", marks=LONG),
    ],
)
def test_a_short_cut_is_not_noticed(verdict: str, seconds: float, count: int, lab: Lab) -> None:
    """The router's session stays Established, all routes are there, each direction's bytes are equal at both ends."""
    at_router = captured(lab.agent, "any", "tcp port 179", lab.directory / "router.pcap")
    at_daemon = captured(lab.back, "lo", f"tcp port {TERMINATOR_PORT}", lab.directory / "daemon.pcap")
    with at_router as near, at_daemon as far:
        router, session = start(lab, count)
        since = router.since(session.neighbor)
        lab.agent.cut("uplink", verdict)
        time.sleep(seconds)
        lab.agent.mend()
        wait(lambda: lab.terminator.route_count() == count, "routes are missing", lab.kbgp)
        assert router.untouched(session.neighbor, since)
        time.sleep(1.0)
    ends = streams(near), streams(far)
    for to_daemon in (True, False):
        first, last = only(ends[0], 179, to=to_daemon), only(ends[1], TERMINATOR_PORT, to=to_daemon)
        assert first.digest() == last.digest()
    assert len(only(ends[0], 179, to=True).data()) > count * 4


@LONG
@pytest.mark.parametrize(("hold", "seconds"), [(4, 22.0), (90, 200.0)], ids=["22 s", "200 s"])
def test_a_long_cut_ends_in_a_clean_reset_and_recovery(hold: int, seconds: float, lab: Lab) -> None:
    """Longer than 15 s and the hold time: the session ends, and after the cut there is one, with all routes."""
    router, session = start(lab, hold=hold)
    lab.agent.cut("uplink")
    ended = wait(lambda: not router.established(session.neighbor), "the session goes on", lab.kbgp, seconds)
    time.sleep(seconds - ended)
    lab.agent.mend()
    wait(lambda: router.established(session.neighbor), "the router does not come back", lab.kbgp, RECOVERY_SECONDS)
    wait(lambda: lab.terminator.route_count() == TABLE_ROUTES, "routes are missing", lab.kcollect)
    assert (lab.terminator.sessions(), lab.status("/admin/sessions")["NumSessions"]) == (1, 1)
