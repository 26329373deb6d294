"""Two BIRDs behind one masquerading router: kbgp sees one address, the terminator sees two neighbors."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tests.interop.bgp_daemons import Bird, Session, bird_router
from tests.interop.bgp_lab import Lab, wait
from tests.interop.namespaces import Namespace, need_namespaces

INSIDE = (21, 22)
"""Networks behind the translator, with a router each."""


def translator(lab: Lab) -> Namespace:
    """A router between them and kbgp that gives all of them its own address, 10.1.0.2."""
    space = lab.router_space(1)
    space.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    rules = 'type nat hook postrouting priority srcnat; oifname "agent" masquerade;'
    space.run("nft", f"table ip nat {{ chain postrouting {{ {rules} }}; }}")
    return space


def router(lab: Lab, nat: Namespace, number: int) -> Bird:
    """One of the routers."""
    space = lab.stack.enter_context(Namespace(f"in{number}"))
    nat.link(space, str(number))
    space.run("ip", "route", "add", "default", "via", f"10.{number}.0.1")
    session = Session(local=f"10.{number}.0.2", neighbor="10.1.0.1", routes=(f"20.{number}.1.0/24",))
    body = bird_router(number, [session]).replace("  hold time", "  multihop;\n  hold time")
    return lab.stack.enter_context(Bird(space, lab.directory, f"bird{number}", session.local, body))


def test_two_routers_of_one_address(tmp_path: Path) -> None:
    """Both are Established at the same time, each has a neighbor address of its own, and both stay."""
    need_namespaces()
    with Lab(tmp_path) as lab:
        lab.device(1, "10.1.0.2")
        lab.start()
        nat = translator(lab)
        routers = [router(lab, nat, number) for number in INSIDE]
        for bird in routers:
            wait(partial(bird.established, "10.1.0.1"), "not Established", lab.kbgp)
        since = [bird.since("10.1.0.1") for bird in routers]
        wait(lambda: lab.terminator.routes() == {"20.21.1.0/24", "20.22.1.0/24"}, "routes are missing", lab.kcollect)
        assert lab.terminator.sessions() == len(INSIDE)
        peers = [session["Peer"] for session in lab.status("/admin/sessions")["Sessions"]]
        assert [peer.rpartition(":")[0] for peer in peers] == ["10.1.0.2"] * 2
        assert all(bird.untouched("10.1.0.1", moment) for bird, moment in zip(routers, since, strict=True))
