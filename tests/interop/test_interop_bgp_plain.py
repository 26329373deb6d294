"""Acceptance 3: programs of plain grpcio, built from the .proto alone, at the other end of each of ours."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest

from kproxy_tw.testing.processes import Daemon, get_json
from tests.collector.bgp_target.target import EMAIL, TOKEN, device
from tests.interop.bgp_daemons import TERMINATOR_PORT, Bird, GoBgp, bird_router, bird_terminator
from tests.interop.bgp_lab import sessions_of, some_routes, wait
from tests.interop.namespaces import Namespace, executable, need_namespaces

PLAIN = Path(__file__).with_name("plain_grpc.py")
HTTP_PORT, GRPC_PORT, STATUS_PORT = 20080, 20443, 20920
CREDENTIALS = {"KENTIK_API_EMAIL": EMAIL, "KENTIK_API_TOKEN": TOKEN}
BIRD, GOBGP = 1, 2
ROUTES = 10
"""Of each family; GoBGP's take a run of its command each."""


@attrs.define
class Site:
    """Routers around one machine on which all else runs."""

    directory: Path
    stack: ExitStack
    machine: Namespace
    terminator: Bird

    def start(self, name: str, *command: str) -> Daemon:
        """Start a program of ours, or a plain one."""
        program = str(Path(sys.executable).parent / command[0]) if command[0] != "plain" else sys.executable
        rest = command[1:] if command[0] != "plain" else (str(PLAIN), *command[1:])
        log = self.directory / f"{name}.log"
        daemon = Daemon(self.machine.prefix(program, *rest), log=log, environment=CREDENTIALS)
        return self.stack.enter_context(daemon)

    def routers(self) -> list[Bird | GoBgp]:
        """BIRD as router 1 and GoBGP as router 2."""
        spaces = [self.stack.enter_context(Namespace(f"p{number}")) for number in (BIRD, GOBGP)]
        for number, space in zip((BIRD, GOBGP), spaces, strict=True):
            self.machine.link(space, str(number))
        body = bird_router(BIRD, sessions_of(BIRD, some_routes(BIRD, ROUTES)))
        bird = self.stack.enter_context(Bird(spaces[0], self.directory, "bird", "10.1.0.2", body))
        four = {"ipv4": some_routes(GOBGP, ROUTES)["ipv4"]}
        gobgp = self.stack.enter_context(GoBgp(spaces[1], self.directory, GOBGP, sessions_of(GOBGP, four)))
        wait(gobgp.announce, "gobgpd took no routes", gobgp.daemon)
        return [bird, gobgp]

    def expected(self) -> set[str]:
        """What both announce."""
        first, second = some_routes(BIRD, ROUTES), some_routes(GOBGP, ROUTES)
        return {*first["ipv4"], *first["ipv6"], *second["ipv4"]}

    def json(self, port: int, path: str) -> Any:
        """A document of a program on the machine."""
        with self.machine.entered():
            return get_json(port, path)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A machine with BIRD as the daemon behind."""
    need_namespaces()
    executable("gobgpd")
    with ExitStack() as stack:
        machine = stack.enter_context(Namespace("plain"))
        terminator = Bird(machine, tmp_path, "terminator", "10.99.0.2", bird_terminator())
        stack.enter_context(terminator)
        yield Site(tmp_path, stack, machine, terminator)


def events(daemon: Daemon, name: str) -> list[dict[str, Any]]:
    """What a plain program has told; gRPC's own log may go on behind it on the same line."""
    told = [json.JSONDecoder().raw_decode(line)[0] for line in daemon.log.read_text().splitlines() if line[:1] == "{"]
    return [event for event in told if event["event"] == name]


def test_plain_agent_and_our_target(site: Site) -> None:
    """BIRD and GoBGP get sessions through a plain agent and kcollect: all routes arrive, from two neighbors."""
    listed = site.directory / "devices.json"
    listed.write_text(
        json.dumps({"devices": [device(1, "10.1.0.0/24"), device(2, "10.2.0.2"), device(3, "fd00:1::2")]})
    )
    flags = [f"-listen=127.0.0.1:{HTTP_PORT}", f"-grpc_listen=127.0.0.1:{GRPC_PORT}", f"-devices={listed}"]
    flags += [f"-bgp_daemon=127.0.0.1:{TERMINATOR_PORT}", f"-data={site.directory / 'data'}"]
    kcollect = site.start("kcollect", "kcollect", *flags, f"-email={EMAIL}", f"-token={TOKEN}")
    wait(lambda: "takes BGP sessions" in kcollect.log.read_text(), "kcollect does not start", kcollect)
    agent = site.start("agent", "plain", "agent", f"127.0.0.1:{GRPC_PORT}", "0.0.0.0:179")
    wait(lambda: events(agent, "listening"), "the plain agent does not start", agent)
    six = site.start("agent6", "plain", "agent", f"127.0.0.1:{GRPC_PORT}", "[fd00:1::1]:179")
    site.routers()
    wait(lambda: site.terminator.sessions() == 3, "not established", kcollect)
    wait(lambda: site.terminator.routes() == site.expected(), "routes are missing", kcollect)
    sessions = site.json(HTTP_PORT, "/admin/bgp/sessions")["Sessions"]
    assert {session["RouterAS"] for session in sessions} == {65001, 65002}
    assert len({session["Source"] for session in sessions}) == 3
    assert events(six, "opened")[0]["headers"]["counter-up"] == "0"


def test_our_agent_and_a_plain_backend(site: Site) -> None:
    """The same routers through kbgp and a plain backend: all routes arrive, and the metadata is as documented."""
    daemon = f"127.0.0.1:{TERMINATOR_PORT}"
    backend = site.start("backend", "plain", "backend", f"127.0.0.1:{GRPC_PORT}", daemon, "127.64.1.")
    wait(lambda: events(backend, "listening"), "the plain backend does not start", backend)
    flags = ("--insecure", "--disable-log-export", "--metrics-export-url=", "--human-logs", "--site-id=7")
    kbgp = site.start("kbgp", "kbgp", "--target", f"127.0.0.1:{GRPC_PORT}", *flags)
    wait(lambda: events(backend, "control"), "kbgp does not call", kbgp)
    site.routers()
    wait(lambda: site.terminator.sessions() == 3, "not established", kbgp)
    wait(lambda: site.terminator.routes() == site.expected(), "routes are missing", kbgp)
    metadata = events(backend, "data")[0]["metadata"]
    documented = (
        "backend-pin counter-down counter-up device-ip device-port instance proto proxy-ip proxy-port session-id"
    )
    assert set(documented.split()) <= set(metadata)
    assert (metadata["x-ch-auth-email"], metadata["x-ch-auth-api-token"]) == (EMAIL, TOKEN)
    assert (metadata["sid"], metadata["proto"], metadata["backend-pin"]) == ("7", "BGP", "42b0e9c9")
    assert site.json(STATUS_PORT, "/admin/sessions")["NumSessions"] == 3
    assert site.json(STATUS_PORT, "/admin/status")["ControlStream"]["Connected"] is True
