"""The three daemons as processes, with exporters that send real packets and a router that speaks BGP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import numpy as np

from kproxy_tw.testing.exporters import Exporter, IpfixExporter, NetFlow5Exporter, NetFlow9Exporter, SflowExporter
from kproxy_tw.testing.processes import Daemon, free_port, free_port_pair
from kproxy_tw.testing.traffic import make_flows
from tests.bgp.bgp_messages import KEEPALIVE, message, open_message, update
from tests.collector.bgp_target.target import EMAIL, TOKEN

CREDENTIALS = {"KENTIK_API_EMAIL": EMAIL, "KENTIK_API_TOKEN": TOKEN}
TURN_SECONDS = 0.25
ROUTER, STRANGER_ROUTER = "127.0.0.31", "127.0.0.32"
STRANGER = "127.0.0.29"
"""An exporter that no device has."""

CEASE_SHUTDOWN = bytes([6, 2])
"""NOTIFICATION Cease, Administrative Shutdown (RFC 9003); a length and a text follow."""

SHUTDOWN_TEXT = "<b onmouseover=alert(1)>maintenance</b>"
ONE_LOST_IN = 3
"""Of the datagrams of an exporter that loses some, one in so many is not sent."""


@attrs.define
class Source:
    """An exporter. ``lossy``: some of its datagrams get lost on the way."""

    device_id: int
    name: str
    address: str
    exporter: Exporter
    flows: int
    max_fps: int = 0
    lossy: bool = False
    datagrams: int = 0


def sources(now: float) -> list[Source]:
    """Four formats; the sFlow exporter sends more than its cap."""
    return [
        Source(101, "edge_fra1_r1", "127.0.0.21", NetFlow9Exporter(now), 160),
        Source(102, "edge_ams2_r1", "127.0.0.22", IpfixExporter(now), 120),
        Source(103, "core_fra1_sw3", "127.0.0.23", SflowExporter(now, rate=1024), 400, max_fps=60),
        Source(104, "branch_old_7206", "127.0.0.24", NetFlow5Exporter(now, sampling=100), 60),
        Source(0, "", STRANGER, NetFlow5Exporter(now), 30),
    ]


@attrs.define
class Site:
    """Where the daemons are, and what drives them."""

    kproxy: str
    kbgp: str
    kcollect: str
    traffic: Traffic
    routers: Routers
    flow_port: int


class Traffic:
    """Sends until it is stopped."""

    def __init__(self, port: int) -> None:
        self.sources = sources(time.time())
        self._port = port
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_failure: object) -> None:
        self._stopped.set()
        self._thread.join()

    def source(self, name: str) -> Source:
        """The exporter of a device."""
        return next(source for source in self.sources if source.name == name)

    def _run(self) -> None:
        random = np.random.default_rng(7)
        with ExitStack() as stack:
            sockets = [stack.enter_context(_from(source.address, self._port)) for source in self.sources]
            while not self._stopped.wait(TURN_SECONDS):
                for source, sock in zip(self.sources, sockets, strict=True):
                    self._send(source, sock, random)

    def _send(self, source: Source, sock: socket.socket, random: np.random.Generator) -> None:
        size = min(source.exporter.flows_per_datagram, source.flows)
        flows = make_flows(max(size, int(source.flows * TURN_SECONDS) // size * size), random)
        for first in range(0, len(flows), size):
            datagram = source.exporter.datagram(flows[first : first + size], time.time())
            source.datagrams += 1
            if not (source.lossy and source.datagrams % ONE_LOST_IN == 0):
                sock.send(datagram)


def _from(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, 0))
    sock.connect(("127.0.0.1", port))
    return sock


class Routers:
    """BGP on both sides of kbgp: routers in front, and the daemon behind kcollect that answers them."""

    def __init__(self) -> None:
        self._daemon = socket.create_server(("127.0.0.1", 0))
        self.daemon_port = int(self._daemon.getsockname()[1])
        self.port = 0
        self._stopped = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._answer, daemon=True).start()

    def stop(self) -> None:
        """Close everything."""
        self._stopped.set()
        for one in (*self._open, self._daemon):
            one.close()

    def connect(self, address: str) -> socket.socket:
        """A router at ``address`` opens a session and keeps it alive."""
        router = socket.create_connection(("127.0.0.1", self.port), source_address=(address, 0))
        self._open.append(router)
        router.sendall(open_message(system=65010, hold=90, router_id="10.1.0.1"))
        threading.Thread(target=self._keep_alive, args=(router,), daemon=True).start()
        return router

    def shut_down(self, router: socket.socket, text: str) -> None:
        """The router ends its session, and says why."""
        told = text.encode()
        router.sendall(message(3, CEASE_SHUTDOWN + bytes([len(told)]) + told))
        router.close()

    def _keep_alive(self, router: socket.socket) -> None:
        try:
            while not self._stopped.wait(0.5):
                router.sendall(KEEPALIVE + update(60))
        except OSError:
            return

    def _answer(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _peer = self._daemon.accept()
                connection.sendall(open_message(system=65000, router_id="10.0.0.1") + KEEPALIVE)
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=_swallow, args=(connection,), daemon=True).start()


def _swallow(connection: socket.socket) -> None:
    try:
        while connection.recv(65536):
            pass
    except OSError:
        return
    connection.close()


def device_file(directory: Path, known: Sequence[Source]) -> Path:
    """What kcollect is to know."""
    devices: list[dict[str, object]] = [
        {
            "id": str(source.device_id),
            "company_id": "1",
            "device_name": source.name,
            "device_type": "router",
            "device_sample_rate": "10",
            "sending_ips": [source.address],
            **({"max_flow_rate": source.max_fps} if source.max_fps else {}),
        }
        for source in known
        if source.device_id
    ]
    devices.append(
        {
            "id": 110,
            "company_id": 1,
            "device_name": "peering_fra1",
            "sending_ips": ["192.0.2.110"],
            "device_bgp_type": "device",
            "device_bgp_neighbor_ip": ROUTER,
        }
    )
    path = directory / "devices.json"
    path.write_text(json.dumps({"devices": devices}))
    return path


@contextmanager
def running(directory: Path) -> Iterator[Site]:
    """Start everything, wait until it works, stop it at the end."""
    routers, grpc_port, http_port = Routers(), free_port(), free_port()
    flow_port, bgp_port, status_port = free_port_pair(), free_port(), free_port()
    routers.port = bgp_port
    traffic = Traffic(flow_port)
    collector = [
        "kcollect",
        f"-listen=127.0.0.1:{http_port}",
        f"-grpc_listen=127.0.0.1:{grpc_port}",
        f"-bgp_daemon=127.0.0.1:{routers.daemon_port}",
        f"-data={directory / 'data'}",
        f"-devices={device_file(directory, traffic.sources)}",
        f"-email={EMAIL}",
        f"-token={TOKEN}",
    ]
    proxy = [
        "kproxy",
        "-host=127.0.0.1",
        f"-port={flow_port}",
        f"-api=http://127.0.0.1:{http_port}/api/internal",
        f"-state_dir={directory / 'state'}",
    ]
    agent = ["kbgp", f"--target=127.0.0.1:{grpc_port}", "--insecure", "--disable-log-export", "--metrics-export-url="]
    agent += ["--human-logs", f"--listen=127.0.0.1:{bgp_port}", f"--metrics-port={status_port}"]
    with ExitStack() as stack:
        stack.callback(routers.stop)
        for command, port in ((collector, http_port), (proxy, flow_port + 1), (agent, status_port)):
            daemon = Daemon(command, log=directory / f"{command[0]}.log", environment=CREDENTIALS)
            stack.enter_context(daemon)
            daemon.wait_until_ready(port)
        stack.enter_context(traffic)
        yield Site(
            kproxy=f"http://127.0.0.1:{flow_port + 1}",
            kbgp=f"http://127.0.0.1:{status_port}",
            kcollect=f"http://127.0.0.1:{http_port}",
            traffic=traffic,
            routers=routers,
            flow_port=flow_port,
        )
