"""Control streams of a real kcollect: questions, heartbeats, news of the device list; who is let in."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from kproxy_tw.bgp.proto.ktbgp_pb2 import (
    CONTROL_ACTION_BLOCK_IP,
    CONTROL_ACTION_KEEPALIVE,
    CONTROL_ACTION_UNSPECIFIED,
    ControlRequest,
    ControlResponse,
)
from kproxy_tw.testing.certificates import Authority
from kproxy_tw.testing.processes import START_SECONDS, get
from tests.collector.bgp_target.target import (
    KEEPALIVE,
    SECONDS,
    TOKEN,
    Agent,
    BgpDaemon,
    Call,
    Target,
    bgp_open,
    device,
    read_exactly,
    running_target,
)

EDGE = device(1, "192.0.2.1")
SITE_7 = device(2, "192.0.2.2", site={"id": 7, "site_name": "seven"})
SITE_8 = device(3, "192.0.2.2", site={"id": "8", "site_name": "eight"})
NO_BGP = device(4, "192.0.2.4", device_bgp_type="none")
DEVICES = [EDGE, SITE_7, SITE_8, NO_BGP]


@pytest.fixture(scope="module")
def daemon() -> BgpDaemon:
    """The BGP daemon."""
    return BgpDaemon()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, daemon: BgpDaemon) -> Iterator[Target]:
    """A kcollect for all tests of this file; each test that changes its device list puts it back."""
    with running_target(tmp_path_factory.mktemp("target"), daemon.port, DEVICES) as running:
        yield running


@pytest.fixture
def agent(target: Target) -> Iterator[Agent]:
    """An agent."""
    one = Agent(target.grpc_port)
    yield one
    one.close()


def ask(control: Call, address: str, proto: str = "BGP") -> ControlResponse:
    """Ask about a router."""
    control.send(
        ControlRequest(proto=proto, device_ip=address, device_port=4444, proxy_ip="192.0.2.200", proxy_port=179)
    )
    return until(control, lambda answer: answer.device_port == 4444)


def until(control: Call, wanted: Callable[[ControlResponse], bool]) -> ControlResponse:
    """The next message of that kind; a stream begins with what the agent is told unasked."""
    while True:
        answer: ControlResponse = control.next()
        if wanted(answer):
            return answer


def about(address: str) -> Callable[[ControlResponse], bool]:
    """Messages about a router."""
    return lambda answer: answer.device_ip == address


def test_a_known_router(agent: Agent) -> None:
    """It may go on, and who it is stands in the answer; the question is repeated."""
    answer = ask(agent.control(), "192.0.2.1")
    assert (answer.action, answer.device_id, answer.company_id) == (CONTROL_ACTION_UNSPECIFIED, 1, 1)
    assert (answer.device_name, answer.tcp_md5, answer.ttl_counter) == ("edge1", b"", 0)
    assert (answer.proto, answer.device_ip, answer.device_port) == ("BGP", "192.0.2.1", 4444)
    assert (answer.proxy_ip, answer.proxy_port) == ("192.0.2.200", 179)
    assert [pair.key for pair in answer.metadata] == ["backend-pin"]


@pytest.mark.parametrize("address", ["203.0.113.1", "192.0.2.4", "", "x", "2001:db8::1", "1" * 200])
def test_an_unknown_router(agent: Agent, address: str) -> None:
    """It is blocked for twenty minutes, as documented; so is a device that does not peer."""
    answer = ask(agent.control(), address)
    assert (answer.action, answer.ttl_seconds, answer.ttl_counter) == (CONTROL_ACTION_BLOCK_IP, 1200, 0)
    assert answer.device_ip == address


def test_another_protocol(agent: Agent) -> None:
    """Nothing but BGP is relayed."""
    assert ask(agent.control(), "192.0.2.1", proto="BMP").action == CONTROL_ACTION_BLOCK_IP


def test_sites(target: Target) -> None:
    """An address that is used in two sites is looked up in the agent's; in any when the agent names none."""
    found = {}
    for site in (0, 7, 8, 9):
        agent = Agent(target.grpc_port, site=site)
        found[site] = ask(agent.control(), "192.0.2.2").device_id
        agent.close()
    assert found == {0: 2, 7: 2, 8: 3, 9: 0}


def test_heartbeats_are_echoed(target: Target, agent: Agent) -> None:
    """Each comes back, and the agent is listed with what it says of itself."""
    control = agent.control()
    for _ in range(3):
        control.send(ControlRequest(action=CONTROL_ACTION_KEEPALIVE))
        until(control, lambda answer: answer.action == CONTROL_ACTION_KEEPALIVE)
    (listed,) = [one for one in target.json("status")["Agents"] if one["Instance"] == agent.instance]
    assert (listed["Heartbeats"], listed["Version"], listed["SiteID"]) == (3, "1", 0)


def test_half_close_ends_it(agent: Agent) -> None:
    """What was asked before is answered; then the stream ends without an error."""
    control = agent.control()
    for _ in range(5):
        control.send(ControlRequest(proto="BGP", device_ip="192.0.2.1", device_port=4444))
    control.half_close()
    assert [answer.device_id for answer in control.rest() if answer.device_port] == [1] * 5
    assert control.status() == "OK"


def test_news_of_the_device_list(target: Target, agent: Agent) -> None:
    """A new router, a new key and a removed router are told unasked, once each."""
    control = agent.control()
    assert ask(control, "192.0.2.50").action == CONTROL_ACTION_BLOCK_IP
    assert ask(control, "192.0.2.1").action == CONTROL_ACTION_UNSPECIFIED
    added = device(50, "192.0.2.50")
    target.write_devices([*DEVICES, added])
    news = until(control, about("192.0.2.50"))
    assert (news.device_ip, news.action, news.device_id) == ("192.0.2.50", CONTROL_ACTION_UNSPECIFIED, 50)
    target.write_devices([*DEVICES, {**added, "device_bgp_password": "k3y"}])
    news = until(control, about("192.0.2.50"))
    assert (news.device_ip, news.tcp_md5) == ("192.0.2.50", b"k3y")
    target.write_devices(DEVICES)
    news = until(control, about("192.0.2.50"))
    assert (news.device_ip, news.action, news.tcp_md5) == ("192.0.2.50", CONTROL_ACTION_BLOCK_IP, b"")
    assert ask(control, "192.0.2.1").device_ip == "192.0.2.1"


def test_routers_are_told_before_they_come(agent: Agent) -> None:
    """An agent that comes gets all single routers, so that many that come back at once need no question each."""
    control = agent.control()
    told = {until(control, about(address)).device_id for address in ("192.0.2.1", "192.0.2.2")}
    assert told == {1, 2}


def test_keys_are_told_first(target: Target) -> None:
    """An agent that comes gets all keys, of a network too, so that it can install them before a router calls."""
    keyed = [device(60, "192.0.2.60", device_bgp_password="one"), device(61, "10.8.0.0/24", device_bgp_password="two")]
    target.write_devices([*DEVICES, *keyed])
    agent = Agent(target.grpc_port)
    control = agent.control()
    first, second = control.next(), control.next()
    assert {(first.device_ip, first.tcp_md5), (second.device_ip, second.tcp_md5)} == {
        ("192.0.2.60", b"one"),
        ("10.8.0.0", b"two"),
    }
    prefix = {pair.key: list(pair.val) for pair in (first if first.tcp_md5 == b"two" else second).metadata}
    assert prefix["tcp-md5-prefix"] == ["10.8.0.0/24"]
    assert "one" not in target.log.read_text().split()
    agent.close()
    target.write_devices(DEVICES)


def test_a_broken_device_list_changes_nothing(target: Target, agent: Agent) -> None:
    """The last good one stays in force, and the log says what is wrong."""
    target.devices.write_text("{")
    target.wait_for("the devices stay as they were")
    assert ask(agent.control(), "192.0.2.1").device_id == 1
    target.write_devices(DEVICES)


def test_a_removed_router_loses_its_session(target: Target, daemon: BgpDaemon, agent: Agent) -> None:
    """Its session ends with a Cease (peer de-configured)."""
    gone = device(70, "192.0.2.70")
    target.write_devices([*DEVICES, gone])
    call = agent.stream("192.0.2.70")
    call.data(bgp_open())
    connection, _ = daemon.accept()
    read_exactly(connection, 29)
    target.write_devices(DEVICES)
    assert b"".join(part for message in call.rest() for part in message.data)[-3:] == b"\x03\x06\x03"
    with pytest.raises(ConnectionResetError):
        connection.recv(1)


@pytest.mark.parametrize(
    ("changes", "details"),
    [
        ({"token": "wrong"}, "wrong"),
        ({"email": "other@example.com"}, "wrong"),
        ({"token": ""}, "missing"),
        ({"token_key": "x-other"}, "missing"),
    ],
)
def test_wrong_credentials(target: Target, changes: dict[str, Any], details: str) -> None:
    """Both streams are refused as unauthenticated, and the answer repeats no secret."""
    agent = Agent(target.grpc_port, **changes)
    for call in (agent.control(), agent.stream("192.0.2.1")):
        with pytest.raises(grpc.RpcError, match=details) as caught:
            call.rest()
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    agent.close()
    assert TOKEN not in target.log.read_text()


def test_the_other_name_of_the_token(target: Target) -> None:
    """``x-ch-auth-token`` is taken, too."""
    agent = Agent(target.grpc_port, token_key="x-ch-auth-token")
    assert ask(agent.control(), "192.0.2.1").device_id == 1
    agent.close()


def test_metadata_that_is_not_whole(target: Target, agent: Agent) -> None:
    """A Data stream that does not say whose it is, is refused with the reason."""
    call = agent.stream("192.0.2.1", session=" ")
    good = agent.channel().stream_stream("/kentik.ktbgp.v202203beta2.ProxyService/Data")
    with pytest.raises(grpc.RpcError, match="proto is missing") as caught:
        list(good(iter(()), metadata=agent.about(), timeout=SECONDS))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    call.call.cancel()


def test_huge_metadata(agent: Agent) -> None:
    """More than 16 KiB of metadata ends the stream before anybody looks at it."""
    call = agent.channel().stream_stream("/kentik.ktbgp.v202203beta2.ProxyService/Data")
    with pytest.raises(grpc.RpcError) as caught:
        list(call(iter(()), metadata=[*agent.about(), ("x", "y" * 20_000)], timeout=SECONDS))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_huge_message(daemon: BgpDaemon, agent: Agent) -> None:
    """A message over 1 MiB ends its stream."""
    call = agent.stream("192.0.2.1")
    call.data(bytes((1 << 20) + 1))
    with pytest.raises(grpc.RpcError) as caught:
        call.rest()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_tls(tmp_path: Path, daemon: BgpDaemon) -> None:
    """With kcollect's certificate the target speaks TLS, and HTTP/2 is agreed on."""
    authority = Authority()
    certificate, key = authority.issue(["127.0.0.1"]).write(tmp_path, "server")
    flags = (f"-tls_cert_file={certificate}", f"-tls_key_file={key}")
    with running_target(tmp_path, daemon.port, [EDGE], *flags) as target:
        target.wait_for("takes BGP sessions", seconds=START_SECONDS)
        agent = Agent(target.grpc_port, credentials=grpc.ssl_channel_credentials(authority.certificate))
        call = agent.stream("192.0.2.1")
        call.data(bgp_open())
        connection, _ = daemon.accept()
        assert read_exactly(connection, 29) == bgp_open()
        assert call.headers["strict-transport-security"].startswith("max-age=")
        agent.close()


def test_stop_and_start(tmp_path: Path, daemon: BgpDaemon) -> None:
    """A stop tells routers to try again; after the start each has the address that it had; the mapping is private."""
    with running_target(tmp_path, daemon.port, [EDGE, SITE_7]) as target:
        agent = Agent(target.grpc_port)
        sources = []
        for address in ("192.0.2.2", "192.0.2.1"):
            call = agent.stream(address)
            call.data(bgp_open())
            _, source = daemon.accept()
            sources.append(source)
        target.process.process.terminate()
        data = b"".join(part for message in call.rest() for part in message.data)
        assert (data[18:21], b"kcollect stops" in data) == (b"\x03\x06\x04", True)
        assert target.process.process.wait(SECONDS) == 0
        agent.close()
    kept = tmp_path / "data" / "bgp-sources.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [source["source"] for source in json.loads(kept.read_text())["sources"]] == sources[::-1]
    with running_target(tmp_path, daemon.port, [EDGE, SITE_7]) as target:
        agent = Agent(target.grpc_port)
        call = agent.stream("192.0.2.1")
        call.data(bgp_open())
        assert daemon.accept()[1] == sources[1]
        agent.close()


def test_kill_dash_nine(tmp_path: Path, daemon: BgpDaemon) -> None:
    """The mapping is on the disk before it is used; the daemon's connection is gone, and an old session is killed."""
    with running_target(tmp_path, daemon.port, [EDGE, SITE_7]) as target:
        agent = Agent(target.grpc_port)
        first = agent.stream("192.0.2.2")
        first.data(bgp_open())
        _, source = daemon.accept()
        target.process.process.kill()
        target.process.process.wait()
        agent.close()
    with running_target(tmp_path, daemon.port, [EDGE, SITE_7]) as target:
        agent = Agent(target.grpc_port)
        assert [message.action for message in agent.stream("192.0.2.2", up=1).rest()] == [1]
        for address, expected in (("192.0.2.1", False), ("192.0.2.2", True)):
            call = agent.stream(address)
            call.data(bgp_open())
            assert (daemon.accept()[1] == source) is expected
        agent.close()


def test_no_daemon(tmp_path: Path) -> None:
    """A router whose daemon is away gets a Cease (connection rejected) and an orderly end."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with running_target(tmp_path, reserved.getsockname()[1], [EDGE]) as target:
            agent = Agent(target.grpc_port)
            call = agent.stream("192.0.2.1")
            call.data(bgp_open())
            assert b"".join(part for message in call.rest() for part in message.data)[18:] == b"\x03\x06\x05"
            assert call.status() == "OK"
            assert "Connection refused" in target.json("sessions")["Ended"][0]["Reason"]
            agent.close()


def test_the_page(target: Target, daemon: BgpDaemon, agent: Agent) -> None:
    """It shows the session, its neighbor address and its state."""
    call = agent.stream("192.0.2.1")
    call.data(bgp_open())
    connection, source = daemon.accept()
    connection.sendall(bgp_open() + KEEPALIVE)
    call.read(48)
    status, body = get(target.port, "/")
    page = body.decode()
    assert status == 200
    for shown in ("192.0.2.1:40001", source, "established", "10.0.0.7", "65001", "BGP sessions"):
        assert shown in page
    call.call.cancel()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-grpc_listen=0.0.0.0:1"], "-grpc_listen"),
        (["-bgp_daemon=example"], "-bgp_daemon"),
        (["-bgp_daemon=example.com:179"], "-bgp_daemon"),
        (["-bgp_daemon=127.0.0.1:179", "-bgp_sources=10.0.0.0/33"], "-bgp_sources"),
        (["-bgp_daemon=[::1]:179"], "-bgp_sources"),
        (["-bgp_daemon=192.0.2.9:179"], "-bgp_sources"),
        (["-bgp_daemon=127.0.0.1:179", "-bgp_sources=127.5.0.1"], "-bgp_sources"),
        (["-bgp_daemon=127.0.0.1:179", "-grpc_listen=0.0.0.0:1", "-email=a", "-token=b"], "-grpc_listen"),
    ],
)
def test_settings_that_cannot_work(tmp_path: Path, flags: list[str], said: str) -> None:
    """One line names the flag, and the exit status is 78."""
    command = [str(Path(sys.executable).parent / "kcollect"), f"-data={tmp_path}", "-listen=127.0.0.1:0", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=os.environ)
    assert (ended.returncode, said in ended.stderr.splitlines()[-1]) == (78, True), ended.stderr
