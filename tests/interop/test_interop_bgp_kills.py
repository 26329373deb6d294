"""kill -9 of each process in the chain: the router is back soon, and nobody keeps a session that is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from kproxy_tw.testing.processes import Daemon
from tests.interop.bgp_daemons import RETRY_SECONDS, Bird, Session
from tests.interop.bgp_lab import Lab, sessions_of, some_routes, wait
from tests.interop.namespaces import need_namespaces
from tests.long import LONG

START_SECONDS = 15.0
"""What a process of ours, or BIRD, may take to be up again on a machine that is busy with tests."""

LIMIT_SECONDS = RETRY_SECONDS * 2 + START_SECONDS


@attrs.frozen
class Scene:
    """A lab with one router whose session is Established."""

    lab: Lab
    router: Bird
    session: Session

    def recovered(self) -> bool:
        """Whether router and terminator have one session with all routes, and kbgp knows of one."""
        known = self.lab.status("/admin/sessions")
        return bool(
            self.router.established(self.session.neighbor)
            and self.lab.terminator.sessions() == 1
            and self.lab.terminator.route_count() == len(self.session.routes)
            and known
            and known["NumSessions"] == 1
        )


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Everything is up."""
    need_namespaces()
    (session,) = sessions_of(1, {"ipv4": some_routes(1)["ipv4"]})
    with Lab(tmp_path) as lab:
        lab.device(1, session.local)
        lab.start()
        scene = Scene(lab, lab.bird(1, [session]), session)
        wait(scene.recovered, "the session is not Established", lab.kbgp)
        yield scene


def kill(daemon: Daemon) -> None:
    """SIGKILL."""
    daemon.process.kill()
    daemon.process.wait()


def restart_kbgp(lab: Lab) -> None:
    """Kill kbgp and start it again."""
    kill(lab.kbgp)
    lab.start_kbgp()


def restart_kcollect(lab: Lab) -> None:
    """Kill kcollect and start it again."""
    kill(lab.kcollect)
    lab.start_kcollect()


def restart_daemon(lab: Lab) -> None:
    """Kill BIRD behind kcollect and start it again."""
    kill(lab.terminator.daemon)
    lab.terminator.daemon.__enter__()


@pytest.mark.parametrize(
    "restart", [pytest.param(restart_kbgp, marks=LONG), restart_kcollect, pytest.param(restart_daemon, marks=LONG)]
)
def test_recovered_within_the_retry_time(restart: Callable[[Lab], None], scene: Scene) -> None:
    """A session of its own, later than the killed one, with all routes, and no other."""
    since = scene.router.since(scene.session.neighbor)
    restart(scene.lab)
    neighbor = scene.session.neighbor
    wait(lambda: not scene.router.untouched(neighbor, since), "the old session goes on", scene.lab.kbgp)
    wait(scene.recovered, "not recovered", scene.lab.kbgp, LIMIT_SECONDS)
