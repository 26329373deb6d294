"""Processes that die, ways that are cut, addresses that move: F23, F24, F26, F30."""

from __future__ import annotations

import random
import time
from pathlib import Path

from faults.scenes import Scene, scene
from tests.interop.bgp_daemons import RETRY_SECONDS, TERMINATOR_PORT, bird_router
from tests.interop.bgp_lab import wait
from tests.interop.bgp_streams import captured, streams
from tests.interop.bgp_tables import table

RECOVERY_SECONDS = RETRY_SECONDS * 2 + 15.0
CLOSED_SECONDS = 5.0
TAKEOVER_SECONDS = 30.0
MOVED_HOLD_SECONDS = 9
"""The router says something to the address each third of it, and finds out."""

CUT_ROUTES = 60_000
CUT_RATE = "6mbit"
SHORT_CUT_SECONDS = 12.0
"""A cut below this is within the 15 s for which a session waits."""


def kbgp_killed(directory: Path, chance: random.Random) -> None:
    """F23: SIGKILL at a random moment, with three routers."""
    with scene(directory, 1, 2, 3) as made:
        time.sleep(chance.uniform(0.0, 2.0))
        made.lab.kbgp.process.kill()
        made.lab.kbgp.process.wait()
        made.lab.start_kbgp()
        made.settle("not recovered", RECOVERY_SECONDS)


def path_cut(directory: Path, chance: random.Random) -> None:
    """F24: cut at a random moment of a table, for a random time, silently or with resets."""
    verdict = chance.choice(["drop", "reject with tcp reset"])
    with scene(directory) as made:
        at_router = captured(made.lab.agent, "any", "tcp port 179", directory / "router.pcap")
        at_daemon = captured(made.lab.back, "lo", f"tcp port {TERMINATOR_PORT}", directory / "daemon.pcap")
        with at_router as near, at_daemon as far:
            made.lab.agent.throttle("uplink", CUT_RATE)
            made.add(1, routes=table(CUT_ROUTES))
            wait(lambda: made.lab.terminator.route_count() > 0, "no routes arrive")
            since = made.since(1)
            time.sleep(chance.uniform(0.0, 1.5))
            made.lab.agent.cut("uplink", verdict)
            time.sleep(chance.uniform(0.2, SHORT_CUT_SECONDS))
            made.lab.agent.mend()
            made.settle("not whole after the cut", 60.0)
            assert made.untouched(1, since), "the router's session did not survive"
            time.sleep(1.0)
        up = [each for each in streams(near) if each.target[1] == 179][-1]
        arrived = [each for each in streams(far) if each.target[1] == TERMINATOR_PORT][-1]
        assert up.digest() == arrived.digest(), "the bytes at the ends differ"


def daemon_killed(directory: Path, chance: random.Random) -> None:
    """F26: the daemon is killed and started again, and one router comes with a wrong AS number."""
    with scene(directory, 1, 2) as made:
        time.sleep(chance.uniform(0.0, 1.0))
        made.lab.terminator.daemon.process.kill()
        made.lab.terminator.daemon.process.wait()
        closed = wait(lambda: not made.established(1) and not made.established(2), "sessions go on", None, 10.0)
        assert closed <= CLOSED_SECONDS, f"closed after {closed:.1f} s"
        time.sleep(chance.uniform(0.0, 3.0))
        made.lab.terminator.daemon.__enter__()
        made.settle("not recovered", RECOVERY_SECONDS)
        _wrong_as(made)


def _wrong_as(made: Scene) -> None:
    right = bird_router(1, [made.sessions[1]])
    made.routers[1].configure(right.replace("as 65000;", "as 65099;"))
    wait(lambda: not made.established(1), "a session with a wrong AS number goes on")
    assert made.established(2), "the other router's session suffers"
    made.routers[1].configure(right)
    made.settle("not recovered from the wrong AS number", RECOVERY_SECONDS)


def address_moved(directory: Path, chance: random.Random) -> None:
    """F30: the address that routers peer with moves to a second agent, without a word from the first."""
    with scene(directory, 1, hold=MOVED_HOLD_SECONDS) as made:
        lab, since = made.lab, made.since(1)
        second = lab.second_agent()
        time.sleep(chance.uniform(0.0, 1.0))
        lab.agent.run("ip", "link", "set", "to1", "netns", second.name)
        for command in ("addr add 10.1.0.1/24 dev to1", "link set dev to1 up"):
            second.run("ip", *command.split())
        wait(lambda: not made.untouched(1, since) and made.established(1), "not taken over", None, TAKEOVER_SECONDS)
        wait(lambda: lab.terminator.sessions() == 1, "the daemon has another session", None, 10.0)
        known = lab.status("/admin/sessions", second)
        assert known["NumSessions"] == 1, "the second agent does not have the session"
