"""Labs with routers in them, as the faults need them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from tests.interop.bgp_daemons import Bird, Session
from tests.interop.bgp_lab import Lab, sessions_of, some_routes, wait
from tests.interop.namespaces import need_namespaces

READY_SECONDS = 30.0
MIB = 1 << 20


@attrs.define
class Scene:
    """A running lab. Routers are BIRD with one IPv4 session each."""

    lab: Lab
    routers: dict[int, Bird] = attrs.field(factory=dict)
    sessions: dict[int, Session] = attrs.field(factory=dict)

    def add(self, number: int, *, key: str = "", hold: int = 90, routes: tuple[str, ...] | None = None) -> None:
        """One more router that the backend knows; does not wait."""
        announced = some_routes(number)["ipv4"] if routes is None else routes
        (session,) = sessions_of(number, {"ipv4": announced}, key, hold)
        self.lab.device(number, session.local, key)
        self.routers[number] = self.lab.bird(number, [session])
        self.sessions[number] = session

    def established(self, number: int) -> bool:
        """Whether a router's session is Established."""
        return self.routers[number].established(self.sessions[number].neighbor)

    def since(self, number: int) -> float:
        """When its state changed, seconds of the day."""
        return self.routers[number].since(self.sessions[number].neighbor)

    def untouched(self, number: int, since: float) -> bool:
        """Whether the session is the one that began ``since``."""
        return self.routers[number].untouched(self.sessions[number].neighbor, since)

    def whole(self) -> bool:
        """Whether each router has one session, with all its routes, and nobody has another."""
        known = self.lab.status("/admin/sessions")
        routes = sum(len(session.routes) for session in self.sessions.values())
        return bool(
            all(self.established(number) for number in self.routers)
            and self.lab.terminator.sessions() == len(self.routers)
            and self.lab.terminator.route_count() == routes
            and known
            and known["NumSessions"] == len(self.routers)
        )

    def settle(self, problem: str, seconds: float = READY_SECONDS) -> float:
        """Wait until :meth:`whole`; the seconds it took."""
        return wait(self.whole, problem, None, seconds)

    def memory(self) -> int:
        """Resident bytes of kbgp now."""
        return resident(self.lab.kbgp.process.pid)

    def metric(self, name: str) -> float:
        """One figure of kbgp's ``/metrics``, all labels in sum."""
        text = self.lab.page("/metrics")
        rows = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        assert rows, f"/metrics has no {name}"
        return sum(float(value) for _name, value in rows)


def resident(pid: int) -> int:
    """Resident bytes of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the process is gone")


@contextmanager
def scene(
    directory: Path, *routers: int, flags: tuple[str, ...] = (), hold: int = 90, export: str = "none"
) -> Iterator[Scene]:
    """A lab with these routers, everything Established."""
    need_namespaces()
    with Lab(directory, hold=hold, export=export) as lab:
        lab.save()
        lab.start(*flags)
        made = Scene(lab)
        for number in routers:
            made.add(number, hold=hold)
        made.settle("nothing is Established before the fault")
        yield made
