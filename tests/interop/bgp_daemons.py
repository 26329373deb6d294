"""BIRD, FRR and GoBGP as routers, and BIRD as the daemon behind kcollect, each in a namespace of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import attrs

from kproxy_tw.testing.processes import Daemon
from tests.interop.namespaces import Namespace, executable

TERMINATOR_AS = 65000
TERMINATOR_PORT = 1790
RETRY_SECONDS = 2
"""How long the routers wait before they connect again, where they can be told."""

SAME_SECONDS = 0.5


@attrs.frozen(kw_only=True)
class Session:
    """What a router is told of one neighbor.

    :ivar routes: announced to it: prefixes, or for BIRD what stands behind ``route``.
    """

    local: str
    neighbor: str
    routes: tuple[str, ...]
    key: str = ""
    hold: int = 90


class Router(Protocol):
    """A BGP daemon as a process; use it as a context manager."""

    def established(self, neighbor: str) -> bool:
        """Whether the session with ``neighbor`` is Established."""


class Bird:
    """BIRD 2. ``body`` is its configuration but for log and router id."""

    def __init__(self, space: Namespace, directory: Path, name: str, router_id: str, body: str) -> None:
        bird = executable("bird", "/usr/sbin/bird")
        self._control = executable("birdc", "/usr/sbin/birdc")
        self._space = space
        self._socket = directory / f"{name}.ctl"
        self.configuration = directory / f"{name}.conf"
        self._head = f"log stderr all;\nrouter id {router_id};\nprotocol device {{}}\n"
        self.configuration.write_text(self._head + body)
        command = [bird, "-f", "-c", str(self.configuration), "-s", str(self._socket)]
        self.daemon = Daemon(space.prefix(*command), log=directory / f"{name}.log")

    def __enter__(self) -> Bird:
        self.daemon.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self.daemon.stop()

    def ask(self, *words: str) -> str:
        """What ``birdc`` answers; empty while it is not there."""
        return self._space.run(self._control, "-r", "-s", str(self._socket), *words, check=False)

    def configure(self, body: str) -> None:
        """Take another configuration."""
        self.configuration.write_text(self._head + body)
        self._space.run(self._control, "-s", str(self._socket), "configure")

    def restart(self) -> None:
        """End all its BGP sessions, and begin them anew."""
        self._space.run(self._control, "-s", str(self._socket), "restart", '"to*"')

    def protocols(self) -> dict[str, str]:
        """State of each BGP session by its name."""
        rows = re.findall(r"^(\S+)\s+BGP\s+\S+\s+\S+\s+\S+\s*(.*)$", self.ask("show", "protocols"), re.MULTILINE)
        return {name: info.strip() for name, info in rows}

    def established(self, neighbor: str) -> bool:
        """Whether the session with ``neighbor`` is Established."""
        return self.protocols().get(session_name(neighbor)) == "Established"

    def sessions(self) -> int:
        """How many are Established."""
        return sum(state == "Established" for state in self.protocols().values())

    def since(self, neighbor: str) -> float:
        """When the session's state changed, in seconds of the day; -1 while BIRD does not say."""
        pattern = rf"^{session_name(neighbor)}\s+BGP\s+\S+\s+\S+\s+(\d+):(\d+):([\d.]+)"
        found = re.search(pattern, self.ask("show", "protocols"), re.MULTILINE)
        if found is None:
            return -1.0
        hours, minutes, seconds = map(float, found.groups())
        return hours * 3600 + minutes * 60 + seconds

    def untouched(self, neighbor: str, since: float) -> bool:
        """Whether the session is Established and has not changed since; BIRD's own figure differs by milliseconds."""
        return self.established(neighbor) and abs(self.since(neighbor) - since) < SAME_SECONDS

    def routes(self) -> set[str]:
        """Prefixes of all BGP routes that it has."""
        shown = self.ask("show", "route", "where", "source", "=", "RTS_BGP")
        return set(re.findall(r"^(\S+/\d+)\s", shown, re.MULTILINE))

    def route_count(self) -> int:
        """How many BGP routes it has."""
        shown = self.ask("show", "route", "where", "source", "=", "RTS_BGP", "count")
        return sum(int(count) for count in re.findall(r"^(\d+) of", shown, re.MULTILINE))


def session_name(neighbor: str) -> str:
    """What a session of a BIRD router is called."""
    return "to" + re.sub(r"\W", "_", neighbor)


def bird_router(number: int, sessions: Sequence[Session]) -> str:
    """Configuration of BIRD as a router: its static routes go to all its sessions of their family."""
    parts = []
    for session in sessions:
        channel = "ipv6" if ":" in session.local else "ipv4"
        name = session_name(session.neighbor)
        routes = "".join(f"  route {route if ' ' in route else route + ' blackhole'};\n" for route in session.routes)
        password = f'  password "{session.key}";\n' if session.key else ""
        parts.append(
            f"protocol static of{name} {{\n  {channel};\n{routes}}}\n"
            f"protocol bgp {name} {{\n  local {session.local} as {65000 + number};\n"
            f"  neighbor {session.neighbor} as {TERMINATOR_AS};\n{password}"
            f"  hold time {session.hold};\n  connect delay time 1;\n  connect retry time {RETRY_SECONDS};\n"
            f"  error wait time 1, {RETRY_SECONDS};\n"
            f"  {channel} {{ gateway recursive; import all; export all; }};\n}}\n"
        )
    return "".join(parts)


def bird_terminator(hold: int = 90, export: str = "none") -> str:
    """Configuration of BIRD behind kcollect: whoever comes from its source network is a neighbor.

    :param export: ``all`` tells each router of the others' routes.
    """
    # BIRD passes on only routes whose next hop it finds, with a next hop that the other router takes.
    around = "protocol static around { ipv4; route 10.0.0.0/8 via 10.99.0.1; }\n" if export != "none" else ""
    return around + (
        f"protocol bgp routers {{\n  local 127.0.0.1 port {TERMINATOR_PORT} as {TERMINATOR_AS};\n"
        f'  neighbor range 127.64.0.0/16 external;\n  multihop;\n  passive;\n  dynamic name "router";\n'
        f"  hold time {hold};\n  error wait time 1, {RETRY_SECONDS};\n"
        f"  ipv4 {{ import all; next hop address 10.99.0.2; export {export}; }};\n"
        f"  ipv6 {{ import all; export none; }};\n}}\n"
    )


class Frr:
    """bgpd of FRR, without zebra."""

    def __init__(self, space: Namespace, directory: Path, number: int, sessions: Sequence[Session]) -> None:
        bgpd = executable("bgpd", "/usr/lib/frr/bgpd")
        self._vtysh = executable("vtysh")
        self._space, self._vty = space, directory / f"frr{number}"
        self._vty.mkdir()
        configuration = directory / f"frr{number}.conf"
        configuration.write_text(_frr(number, sessions))
        command = [bgpd, "-f", str(configuration), "-i", str(directory / f"frr{number}.pid"), "-Z", "-S"]
        command += ["-p", "0", "--vty_socket", str(self._vty), "-A", "127.0.0.1", "--log", "stdout"]
        self.daemon = Daemon(space.prefix(*command), log=directory / f"frr{number}.log")

    def __enter__(self) -> Frr:
        self.daemon.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self.daemon.stop()

    def ask(self, command: str) -> str:
        """What ``vtysh`` answers."""
        return self._space.run(self._vtysh, "--vty_socket", str(self._vty), "-d", "bgpd", "-c", command, check=False)

    def established(self, neighbor: str) -> bool:
        """Whether the session with ``neighbor`` is Established."""
        found = re.search(r"BGP state = (\w+)", self.ask(f"show bgp neighbors {neighbor}"))
        return found is not None and found.group(1) == "Established"


def _frr(number: int, sessions: Sequence[Session]) -> str:
    head = f"router bgp {65000 + number}\n bgp router-id 10.{number}.0.2\n no bgp ebgp-requires-policy\n"
    head += " no bgp network import-check\n no bgp default ipv4-unicast\n"
    families = {"ipv4": "", "ipv6": ""}
    for session in sessions:
        neighbor = f" neighbor {session.neighbor}"
        head += f"{neighbor} remote-as {TERMINATOR_AS}\n{neighbor} ebgp-multihop 2\n"
        head += f"{neighbor} timers connect {RETRY_SECONDS}\n{neighbor} update-source {session.local}\n"
        head += f"{neighbor} password {session.key}\n" if session.key else ""
        family = "ipv6" if ":" in session.local else "ipv4"
        families[family] += f"  neighbor {session.neighbor} activate\n"
        families[family] += "".join(f"  network {route}\n" for route in session.routes)
    return head + "".join(
        f" address-family {family} unicast\n{body} exit-address-family\n" for family, body in families.items() if body
    )


class GoBgp:
    """gobgpd."""

    PORT = "50051"

    def __init__(self, space: Namespace, directory: Path, number: int, sessions: Sequence[Session]) -> None:
        gobgpd, self._gobgp = executable("gobgpd"), executable("gobgp")
        self._space, self._sessions = space, sessions
        configuration = directory / f"gobgp{number}.toml"
        configuration.write_text(_gobgp(number, sessions))
        command = [gobgpd, "-f", str(configuration), "--api-hosts", f"127.0.0.1:{self.PORT}", "--log-plain"]
        self.daemon = Daemon(space.prefix(*command), log=directory / f"gobgp{number}.log")

    def __enter__(self) -> GoBgp:
        self.daemon.__enter__()
        return self

    def __exit__(self, *failure: object) -> None:
        self.daemon.stop()

    def announce(self) -> bool:
        """Announce the routes; whether gobgpd was there to be told, with its configuration read."""
        if any(session.neighbor not in self.ask("neighbor") for session in self._sessions):
            return False
        for session in self._sessions:
            family = "ipv6" if ":" in session.local else "ipv4"
            for route in session.routes:
                words = f"global rib add {route} nexthop {session.local} -a {family}".split()
                if "rror" in self.ask(*words):
                    return False
        return True

    def ask(self, *words: str) -> str:
        """What ``gobgp`` answers."""
        return self._space.run("sh", "-c", 'exec "$@" 2>&1', "-", self._gobgp, "-p", self.PORT, *words, check=False)

    def established(self, neighbor: str) -> bool:
        """Whether the session with ``neighbor`` is Established."""
        try:
            peers = json.loads(self.ask("neighbor", "-j"))
        except ValueError:
            return False
        # 6 is Established in GoBGP's API (PeerState.SessionState).
        return any(
            peer["state"].get("neighbor_address") == neighbor and peer["state"].get("session_state") == 6
            for peer in peers
        )


def _gobgp(number: int, sessions: Sequence[Session]) -> str:
    text = f'[global.config]\nas = {65000 + number}\nrouter-id = "10.{number}.0.2"\nport = -1\n'
    for session in sessions:
        family = "ipv6" if ":" in session.local else "ipv4"
        text += f'[[neighbors]]\n[neighbors.config]\nneighbor-address = "{session.neighbor}"\n'
        text += f"peer-as = {TERMINATOR_AS}\n"
        text += f'auth-password = "{session.key}"\n' if session.key else ""
        text += f'[neighbors.transport.config]\nlocal-address = "{session.local}"\n'
        text += f"[neighbors.timers.config]\nconnect-retry = {RETRY_SECONDS}\nidle-hold-time-after-reset = 1\n"
        text += f'[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = "{family}-unicast"\n'
    return text
