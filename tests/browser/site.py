"""The three daemons as processes, with TLS between them, and what they work with.

That is exporters that send real packets, a router that speaks BGP, and an agent of Net-SNMP's where it is installed.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from kproxy_tw.commands.tools.client import NoAnswer, StatusPort
from kproxy_tw.testing.certificates import Authority
from kproxy_tw.testing.processes import START_SECONDS, Daemon, free_port, free_port_pair
from kproxy_tw.testing.snmpd import Snmpd, program
from tests.browser.exporting import Source, Traffic
from tests.browser.routing import Routers
from tests.collector.bgp_target.target import EMAIL, TOKEN

CREDENTIALS = {"KENTIK_API_EMAIL": EMAIL, "KENTIK_API_TOKEN": TOKEN}
ROUTER, STRANGER_ROUTER = "127.0.0.31", "127.0.0.32"
SHUTDOWN_TEXT = "<b onmouseover=alert(1)>maintenance</b>"
CERTIFICATE_DAYS = 45
"""For so long kcollect's certificate is valid."""

POLLED = 101
"""The device that is polled by SNMP."""

COMMUNITY = "public"
POLL_SECONDS = 10


@attrs.define
class Site:
    """Where the daemons are, and what drives them. ``polled``: a device is polled by SNMP."""

    kproxy: StatusPort
    kbgp: StatusPort
    kcollect: StatusPort
    polled: bool
    traffic: Traffic
    routers: Routers
    flow_port: int


def device_file(directory: Path, known: Sequence[Source], agent: Snmpd | None) -> Path:
    """What kcollect is to know. :param agent: of the device that is polled."""
    devices: list[dict[str, object]] = [
        {
            "id": str(source.device_id),
            "company_id": "1",
            "device_name": source.name,
            "device_type": "router",
            "device_sample_rate": "10",
            "sending_ips": [source.address],
            **({"max_flow_rate": source.max_fps} if source.max_fps else {}),
            **(_polled_at(agent) if agent and source.device_id == POLLED else {}),
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


def _polled_at(agent: Snmpd) -> dict[str, object]:
    return {"device_snmp_ip": f"127.0.0.1:{agent.port}", "device_snmp_community": COMMUNITY}


@contextmanager
def snmp_agent(directory: Path) -> Iterator[Snmpd | None]:
    """A real agent; ``None`` where there is none."""
    if program("snmpd") is None:
        yield None
        return
    folder = directory / "snmpd"
    folder.mkdir()
    with Snmpd(folder, free_port(socket.SOCK_DGRAM), community=COMMUNITY) as agent:
        yield agent


def wait_until_ready(port: StatusPort, daemon: Daemon) -> None:
    """Until a daemon answers that it works."""
    until = time.monotonic() + START_SECONDS
    while daemon.process.poll() is None and time.monotonic() < until:
        try:
            if port.get("/readyz")[0] == http.client.OK:
                return
        except NoAnswer:
            pass  # not yet
        time.sleep(0.1)
    raise RuntimeError(f"{port} is not ready:\n{daemon.log.read_text()}")


@contextmanager
def running(directory: Path) -> Iterator[Site]:
    """Start everything, wait until it works, stop it at the end."""
    routers, grpc_port, http_port = Routers(), free_port(), free_port()
    flow_port, bgp_port, status_port = free_port_pair(), free_port(), free_port()
    routers.port = bgp_port
    traffic = Traffic(flow_port)
    authority = Authority()
    trusted = directory / "authority.pem"
    trusted.write_bytes(authority.certificate)
    certificate, key = authority.issue(["127.0.0.1"], last_day=CERTIFICATE_DAYS).write(directory, "kcollect")
    collector = [
        "kcollect",
        f"-listen=127.0.0.1:{http_port}",
        f"-grpc_listen=127.0.0.1:{grpc_port}",
        f"-bgp_daemon=127.0.0.1:{routers.daemon_port}",
        f"-data={directory / 'data'}",
        f"-devices={directory / 'devices.json'}",
        f"-tls_cert_file={certificate}",
        f"-tls_key_file={key}",
        f"-email={EMAIL}",
        f"-token={TOKEN}",
    ]
    proxy = [
        "kproxy",
        "-host=127.0.0.1",
        f"-port={flow_port}",
        f"-api=https://127.0.0.1:{http_port}/api/internal",
        f"-tls_ca_file={trusted}",
        f"-snmp_counter_seconds={POLL_SECONDS}",
        f"-snmp_description_seconds={POLL_SECONDS}",
        "-snmp_allow=127.0.0.0/8",
        f"-state_dir={directory / 'state'}",
    ]
    agent = [
        "kbgp",
        f"--target=127.0.0.1:{grpc_port}",
        f"--tls-ca-file={trusted}",
        "--disable-log-export",
        "--metrics-export-url=",
    ]
    agent += ["--human-logs", f"--listen=127.0.0.1:{bgp_port}", f"--metrics-port={status_port}"]
    ports = (
        StatusPort.at(f"https://127.0.0.1:{http_port}", str(certificate)),
        StatusPort.at(f"http://127.0.0.1:{flow_port + 1}"),
        StatusPort.at(f"http://127.0.0.1:{status_port}"),
    )
    with ExitStack() as stack:
        stack.callback(routers.stop)
        polled = stack.enter_context(snmp_agent(directory))
        device_file(directory, traffic.sources, polled)
        for command, port in zip((collector, proxy, agent), ports, strict=True):
            daemon = Daemon(command, log=directory / f"{command[0]}.log", environment=CREDENTIALS)
            stack.enter_context(daemon)
            wait_until_ready(port, daemon)
        stack.enter_context(traffic)
        yield Site(
            kcollect=ports[0],
            kproxy=ports[1],
            kbgp=ports[2],
            polled=polled is not None,
            traffic=traffic,
            routers=routers,
            flow_port=flow_port,
        )
