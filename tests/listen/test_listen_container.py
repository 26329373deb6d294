"""Containers whose bridge stands in the place of every exporter: known, and said on the page."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kproxy_tw.listen.container import container_gateway
from kproxy_tw.status import UnregisteredStatus
from kproxy_tw.testing.status import sample_daemon, sample_device
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.verdict import verdict

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
LOCAL = "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
GATEWAY = "172.17.0.1"


def route(gateway: str = GATEWAY) -> str:
    """A default route as /proc/net/route has it."""
    number = int.from_bytes(bytes(map(int, gateway.split("."))), sys.byteorder)
    return f"eth0\t00000000\t{number:08X}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"


def root(directory: Path, routes: str, mark: str = ".dockerenv") -> Path:
    """A file system as a container has it."""
    (directory / "proc/net").mkdir(parents=True)
    (directory / "run").mkdir()
    (directory / "proc/net/route").write_text(routes)
    if mark:
        (directory / mark).touch()
    return directory


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_the_gateway_of_a_container(mark: str, tmp_path: Path) -> None:
    """Docker and Podman."""
    assert container_gateway(root(tmp_path, HEAD + LOCAL + route(), mark), {}) == GATEWAY


def test_in_a_pod(tmp_path: Path) -> None:
    """Kubernetes says so in the environment."""
    assert container_gateway(root(tmp_path, HEAD + route(), ""), {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}) == GATEWAY


def test_outside_of_one(tmp_path: Path) -> None:
    """A router that is this machine's gateway may well send flow."""
    assert container_gateway(root(tmp_path, HEAD + route(), ""), {}) == ""


@pytest.mark.parametrize("routes", ["", HEAD, HEAD + LOCAL, HEAD + "eth0\n", HEAD + route().replace("AC", "XX", 1)])
def test_without_a_default_route(routes: str, tmp_path: Path) -> None:
    """None, or a file that cannot be read."""
    assert container_gateway(root(tmp_path, routes), {}) == ""
    assert container_gateway(tmp_path / "nowhere", {"KUBERNETES_SERVICE_HOST": "x"}) == ""


@pytest.mark.parametrize("registered", [True, False])
def test_the_page_says_that_exporters_are_hidden(registered: bool) -> None:
    """Whether the bridge's address is a device's or nobody's; and only then."""
    source = UnregisteredStatus(
        source=GATEWAY, port=5, first_seen=1.0, last_seen=2.0, datagrams=3, flow_type="netflow9"
    )
    devices = [sample_device(sources=(GATEWAY,))] if registered else []
    strangers = [] if registered else [source]
    for gateway in (GATEWAY, "172.18.0.1", ""):
        snapshot = Snapshot(sample_daemon(gateway=gateway), devices, strangers, [])
        said = any("hides the exporters' addresses" in point.text for point in verdict(snapshot).points)
        assert said is (gateway == GATEWAY)
