"""kbgp and kcollect in namespaces of their own, TLS between them, BIRD behind kcollect, and room for routers."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self

from kproxy_tw.testing.certificates import Authority
from kproxy_tw.testing.processes import Daemon, get, get_json
from tests.interop.bgp_daemons import TERMINATOR_PORT, Bird, Frr, GoBgp, Session, bird_router, bird_terminator
from tests.interop.namespaces import Namespace

CREDENTIALS = {"KENTIK_API_EMAIL": "tests@example.com", "KENTIK_API_TOKEN": "canary-token-of-the-lab"}
UPLINK = 99
"""The network between kbgp and kcollect: 10.99.0.1 and 10.99.0.2."""

BACKEND = "10.99.0.2"
SENDING = IPv4Address("192.0.2.0")
"""Devices must have addresses that flow could come from."""

GRPC_PORT, HTTP_PORT, STATUS_PORT = 20443, 20080, 20920
SETTLE_SECONDS = 40.0
POLL_SECONDS = 0.2


class Lab:
    """The whole chain but for the routers; use it as a context manager.

    :param hold: hold time that the terminator offers.
    :param export: ``all``: the terminator tells routers of each other's routes.
    """

    def __init__(self, directory: Path, *, hold: int = 90, export: str = "none") -> None:
        self.directory = directory
        self.stack = ExitStack()
        self.agent, self.back = Namespace("agent"), Namespace("back")
        self._hold, self._export = hold, export
        self._devices: dict[int, dict[str, object]] = {}
        self._starts = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.agent)
            stack.enter_context(self.back)
            self.agent.link(self.back, str(UPLINK), names=("uplink", "agents"))
            authority = Authority()
            (self.directory / "ca.pem").write_bytes(authority.certificate)
            authority.issue([BACKEND]).write(self.directory, "backend")
            self.save()
            body = bird_terminator(self._hold, self._export)
            self.terminator = Bird(self.back, self.directory, "terminator", "10.99.0.2", body)
            stack.enter_context(self.terminator)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_failure: object) -> None:
        self.stack.close()

    def device(self, number: int, address: str, key: str = "") -> None:
        """Tell kcollect of a router, or what has changed about one; ``address`` may be a prefix."""
        self._enter(number, address, key)
        self.save()

    def many_devices(self, first: int, addresses: Sequence[str], key: str) -> None:
        """Tell kcollect of many at once."""
        for number, address in enumerate(addresses, first):
            self._enter(number, address, key)
        self.save()

    def _enter(self, number: int, address: str, key: str) -> None:
        field = "device_bgp_neighbor_ip6" if ":" in address else "device_bgp_neighbor_ip"
        device = self._devices.setdefault(
            number,
            {
                "id": 1000 + number,
                "company_id": 1,
                "device_name": f"router{number}",
                "sending_ips": [str(SENDING + number)],
                "device_bgp_type": "device",
            },
        )
        device |= {field: address, "device_bgp_password": key}

    def save(self) -> None:
        """Write the device list as a whole."""
        fresh = self.directory / "devices.new"
        fresh.write_text(json.dumps({"devices": list(self._devices.values())}))
        fresh.rename(self.directory / "devices.json")

    def start_kcollect(self) -> Daemon:
        """Start kcollect; the lab stops it at the end."""
        command = ["kcollect", "-listen", f"127.0.0.1:{HTTP_PORT}", "-grpc_listen", f"{BACKEND}:{GRPC_PORT}"]
        command += ["-bgp_daemon", f"127.0.0.1:{TERMINATOR_PORT}", "-data", str(self.directory / "data")]
        command += ["-devices", str(self.directory / "devices.json"), "-email", CREDENTIALS["KENTIK_API_EMAIL"]]
        command += ["-token", CREDENTIALS["KENTIK_API_TOKEN"]]
        command += ["-tls_cert_file", str(self.directory / "backend.pem")]
        command += ["-tls_key_file", str(self.directory / "backend.key")]
        self.kcollect = self._start(self.back, command)
        return self.kcollect

    def start_kbgp(self, *flags: str, under: Sequence[str] = ()) -> Daemon:
        """Start kbgp; the lab stops it at the end.

        :param under: a command that runs another one, and its flags.
        """
        self.kbgp = self._start(self.agent, [*self._kbgp_command(), *flags], under)
        return self.kbgp

    def _kbgp_command(self) -> list[str]:
        command = ["kbgp", "--target", f"{BACKEND}:{GRPC_PORT}", "--tls-ca-file", str(self.directory / "ca.pem")]
        return [*command, "--human-logs", "--log-level", "debug", "--disable-log-export", "--metrics-export-url="]

    def start(self, *flags: str) -> None:
        """Start both, and wait until the control stream is up."""
        self.start_kcollect()
        wait(self._listening, "kcollect does not listen", self.kcollect)
        self.start_kbgp(*flags)
        wait(self.connected, "the control stream is not up", self.kcollect)

    def _listening(self) -> bool:
        with self.agent.entered():
            try:
                socket.create_connection((BACKEND, GRPC_PORT), timeout=1.0).close()
            except OSError:
                return False
        return True

    def connected(self) -> bool:
        """Whether kbgp's control stream is up."""
        status = self.status()
        return bool(status) and status["ControlStream"]["Connected"]

    def status(self, path: str = "/admin/status", space: Namespace | None = None) -> Any:
        """A document of kbgp, in its own namespace or another one; ``None`` while it does not answer."""
        with (space or self.agent).entered():
            try:
                return get_json(STATUS_PORT, path)
            except (OSError, RuntimeError):
                return None

    def page(self, path: str) -> str:
        """A page of kbgp as text."""
        with self.agent.entered():
            return get(STATUS_PORT, path)[1].decode()

    def second_agent(self) -> Namespace:
        """Start one more kbgp, in a namespace with a way to kcollect; gives the namespace."""
        space = self.stack.enter_context(Namespace("agent2"))
        space.link(self.back, str(UPLINK - 1), names=("uplink", "agents2"))
        space.run("ip", "route", "add", f"{BACKEND}/32", "via", f"10.{UPLINK - 1}.0.2")
        self._start(space, self._kbgp_command())
        wait(lambda: (self.status(space=space) or {}).get("ControlStream", {}).get("Connected"), "no second agent")
        return space

    def log(self, daemon: str = "kbgp") -> str:
        """Everything that all runs of a daemon have logged."""
        return "".join(path.read_text() for path in sorted(self.directory.glob(f"{daemon}-*.log")))

    def router_space(self, number: int) -> Namespace:
        """A namespace for a router, with a cable to kbgp's: 10.<number>.0.2 there, 10.<number>.0.1 here."""
        space = self.stack.enter_context(Namespace(f"r{number}"))
        self.agent.link(space, str(number))
        return space

    def bird(self, number: int, sessions: Sequence[Session]) -> Bird:
        """BIRD as a router."""
        space, body = self.router_space(number), bird_router(number, sessions)
        return self.stack.enter_context(Bird(space, self.directory, f"bird{number}", f"10.{number}.0.2", body))

    def frr(self, number: int, sessions: Sequence[Session]) -> Frr:
        """FRR as a router."""
        return self.stack.enter_context(Frr(self.router_space(number), self.directory, number, sessions))

    def gobgp(self, number: int, sessions: Sequence[Session]) -> GoBgp:
        """GoBGP as a router."""
        router = self.stack.enter_context(GoBgp(self.router_space(number), self.directory, number, sessions))
        wait(router.announce, "gobgpd took no routes", router.daemon)
        return router

    def _start(self, space: Namespace, command: Sequence[str], under: Sequence[str] = ()) -> Daemon:
        self._starts += 1
        program = str(Path(sys.executable).parent / command[0])
        log = self.directory / f"{command[0]}-{self._starts}.log"
        return self.stack.enter_context(
            Daemon(space.prefix(*under, program, *command[1:]), log=log, environment=CREDENTIALS)
        )


def sessions_of(number: int, routes: Mapping[str, tuple[str, ...]], key: str = "", hold: int = 90) -> list[Session]:
    """A session over IPv4 and one over IPv6 of router ``number`` with kbgp."""
    places = {"ipv4": (f"10.{number}.0.2", f"10.{number}.0.1"), "ipv6": (f"fd00:{number}::2", f"fd00:{number}::1")}
    return [
        Session(local=places[family][0], neighbor=places[family][1], routes=announced, key=key, hold=hold)
        for family, announced in routes.items()
    ]


def some_routes(number: int, count: int = 50) -> dict[str, tuple[str, ...]]:
    """Prefixes of both families that no other router announces."""
    return {
        "ipv4": tuple(f"20.{number}.{third}.0/24" for third in range(1, count + 1)),
        "ipv6": tuple(f"2001:db8:{number}:{third:x}::/64" for third in range(1, count + 1)),
    }


def wait(
    condition: Callable[[], object], problem: str, daemon: Daemon | None = None, seconds: float = SETTLE_SECONDS
) -> float:
    """Until the condition holds; seconds that it took. :raises AssertionError: it takes too long."""
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        tail = daemon.log.read_text()[-6000:] if daemon is not None and waited >= seconds else ""
        assert waited < seconds, f"{problem} after {seconds:.0f} s\n{tail}"
        time.sleep(POLL_SECONDS)
    return time.monotonic() - began
