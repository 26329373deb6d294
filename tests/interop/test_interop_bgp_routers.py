"""BIRD, FRR and GoBGP peer with kbgp; BIRD behind kcollect has their routes. All in namespaces of their own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import attrs
import pytest

from tests.interop.bgp_daemons import Bird, Router, Session, bird_router
from tests.interop.bgp_lab import CREDENTIALS, Lab, sessions_of, some_routes, wait
from tests.interop.namespaces import executable, need_namespaces

KEY = "canary-md5-key"

NET_BIND_SERVICE = 10
"""``linux/capability.h``."""

ROUTES = 10
"""Of each family; GoBGP's take a run of its command each."""

ROUTER_KEYS = {1: KEY, 2: "", 3: KEY}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab without routers, nothing of ours started yet."""
    need_namespaces()
    with Lab(tmp_path) as lab:
        yield lab


def establish(lab: Lab, router: Router, sessions: list[Session]) -> None:
    """Until all sessions of a router are Established."""
    for session in sessions:
        wait(partial(router.established, session.neighbor), f"{session} is not Established", lab.kbgp)


def told(lab: Lab, line: str) -> None:
    """Until kbgp's log has it."""
    wait(lambda: line in lab.log(), f"the log does not say {line!r}", lab.kbgp)


@pytest.mark.parametrize("key", ["", KEY], ids=["plain", "MD5"])
def test_three_kinds_of_routers(key: str, lab: Lab) -> None:
    """All are Established over IPv4 and IPv6, and the terminator has exactly the prefixes that they announce."""
    announced: set[str] = set()
    plans = {number: sessions_of(number, some_routes(number, ROUTES), key) for number in (1, 2, 3)}
    for number, sessions in plans.items():
        for session in sessions:
            lab.device(number, session.local, key)
            announced.update(session.routes)
    lab.start("--enable-md5-support")
    routers: list[Router] = [lab.bird(1, plans[1]), lab.frr(2, plans[2]), lab.gobgp(3, plans[3])]
    for router, sessions in zip(routers, plans.values(), strict=True):
        establish(lab, router, sessions)
    wait(lambda: lab.terminator.routes() == announced, "the terminator has other prefixes", lab.kcollect)
    assert lab.terminator.sessions() == 6
    assert lab.status("/admin/sessions")["NumSessions"] == 6
    log = lab.log("kbgp") + lab.log("kcollect")
    assert KEY not in log
    assert CREDENTIALS["KENTIK_API_TOKEN"] not in log


def test_one_key_for_a_prefix(lab: Lab) -> None:
    """A device whose address is a prefix: one kernel key lets in whoever has it, of both kinds and families."""
    plans = {number: sessions_of(number, some_routes(number, 3), KEY) for number in (1, 2)}
    lab.device(1, "10.0.0.0/8", KEY)
    lab.device(1, "fd00::/16", KEY)
    lab.start("--enable-md5-support")
    establish(lab, lab.bird(1, plans[1]), plans[1])
    establish(lab, lab.frr(2, plans[2]), plans[2])
    log = lab.log()
    assert "TCP-MD5 key of 10.0.0.0/8 set" in log
    assert "TCP-MD5 key of fd00::/16 set" in log
    assert "key of 10.1.0.2" not in log


def test_what_is_wrong_is_named_and_mended_while_running(lab: Lab) -> None:
    """Wrong key, no key, unexpected key: each is in the log, no session; each is mended at the backend alone."""
    routes = {number: {"ipv4": (f"20.{number}.1.0/24",)} for number in ROUTER_KEYS}
    plans = {number: sessions_of(number, routes[number], key) for number, key in ROUTER_KEYS.items()}
    backend_keys = {1: "canary-other", 2: KEY, 3: ""}
    for number, key in backend_keys.items():
        lab.device(number, plans[number][0].local, key)
    lab.start("--enable-md5-support")
    routers = {number: lab.bird(number, sessions) for number, sessions in plans.items()}
    for number, words in {1: "wrong key", 2: "no key", 3: "unexpected key"}.items():
        line = f"TCP-MD5 of 10.{number}.0.2: {words}: "
        told(lab, line)
    assert not any(router.sessions() for router in routers.values())
    for number, key in ROUTER_KEYS.items():
        lab.device(number, plans[number][0].local, key)
    for number, router in routers.items():
        establish(lab, router, plans[number])
    assert not [key for key in (KEY, "canary-other") if key in lab.log()]


def test_a_key_changed_on_both_sides(lab: Lab) -> None:
    """The running session outlives the change at the backend; with the new key the router is back."""
    (session,) = sessions_of(1, {"ipv4": ("20.1.1.0/24",)}, KEY)
    lab.device(1, session.local, KEY)
    lab.start("--enable-md5-support")
    router = lab.bird(1, [session])
    establish(lab, router, [session])
    since = router.since(session.neighbor)
    lab.device(1, session.local, "changed")
    told(lab, "TCP-MD5 key of 10.1.0.2 replaced")
    assert router.untouched(session.neighbor, since)
    router.configure(bird_router(1, [attrs.evolve(session, key="changed")]))
    wait(lambda: not router.untouched(session.neighbor, since), "BIRD did not take the new key", router.daemon)
    establish(lab, router, [session])


def test_two_capabilities_are_enough(lab: Lab) -> None:
    """Without root's powers: a signed session on port 179, and no thread of kbgp has CAP_NET_RAW in force."""
    (session,) = sessions_of(1, {"ipv4": ("20.1.1.0/24",)}, KEY)
    lab.device(1, session.local, KEY)
    lab.start_kcollect()
    two = "-all,+net_bind_service,+net_raw"
    noroot = [executable("setpriv"), "--securebits=+noroot,+noroot_locked", "--no-new-privs", f"--bounding-set={two}"]
    lab.start_kbgp("--enable-md5-support", under=[*noroot, f"--inh-caps={two}", f"--ambient-caps={two}"])
    establish(lab, lab.bird(1, [session]), [session])
    kbgp = Path(f"/proc/{lab.kbgp.process.pid}")
    (child,) = (kbgp / "task" / kbgp.name / "children").read_text().split()
    assert {in_force(thread) for thread in (kbgp / "task").iterdir()} == {1 << NET_BIND_SERVICE}
    assert in_force(Path(f"/proc/{child}")) == 0


def in_force(process: Path) -> int:
    """Effective capabilities of a process or thread."""
    (line,) = [line for line in (process / "status").read_text().splitlines() if line.startswith("CapEff:")]
    return int(line.split()[1], 16)


def test_a_link_local_router(lab: Lab) -> None:
    """Addresses with a zone work like others, with a key as well."""
    space = lab.router_space(1)
    for place, interface, address in ((lab.agent, "to1", "fe80::a"), (space, "agent", "fe80::b")):
        place.run("ip", "addr", "add", f"{address}/64", "dev", interface, "nodad")
    session = Session(local="fe80::b", neighbor="fe80::a%agent", routes=("2001:db8:1:1::/64",), key=KEY)
    lab.device(1, "fe80::b%to1", KEY)
    lab.start("--enable-md5-support")
    router = lab.stack.enter_context(Bird(space, lab.directory, "bird1", "10.1.0.2", bird_router(1, [session])))
    establish(lab, router, [session])
    # Its routes stay out of the terminator: a link-local next hop means nothing to a daemon elsewhere.
    assert "TCP-MD5 key of fe80::b set" in lab.log()
    assert lab.status("/admin/sessions")["Sessions"][0]["Peer"].startswith("[fe80::b%to1]:")
