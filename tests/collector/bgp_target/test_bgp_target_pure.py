"""The pure parts of the gRPC target: who may have a session, what Control says, source addresses, limits."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kproxy_tw.bgp.framing import Framing
from kproxy_tw.bgp.proto.ktbgp_pb2 import CONTROL_ACTION_BLOCK_IP, ControlRequest
from kproxy_tw.collector.bgp_target import tenants
from kproxy_tw.collector.bgp_target.cease import Cease, cease
from kproxy_tw.collector.bgp_target.config import daemon_address, source_network
from kproxy_tw.collector.bgp_target.peers import PeerList
from kproxy_tw.collector.bgp_target.replies import Told
from kproxy_tw.collector.bgp_target.sources import NoSourceLeft, Router, SourceMap, document
from kproxy_tw.collector.bgp_target.tenants import OverLimit, Tenant, Tenants
from kproxy_tw.collector.devices import make_device
from kproxy_tw.errors import ConfigError, MalformedInput
from tests.collector.bgp_target.target import device


def peers(*devices: dict[str, object]) -> PeerList:
    """A peer list of API objects."""
    return PeerList([make_device(fields) for fields in devices])


def found(listed: PeerList, address: str, site: int = 0) -> str | None:
    """The name of the device at an address."""
    peer = listed.find(address, site)
    return peer.name if peer else None


@pytest.mark.parametrize("subcode", Cease)
def test_notifications_are_whole_messages(subcode: Cease) -> None:
    """Each is one message of type 3 with code 6, by our own framing and by its bytes."""
    message = cease(subcode, "because ü" * 60)
    framing = Framing()
    framing.feed(message)
    assert (framing.counts[3], framing.between_messages) == (1, True)
    assert (message[:16], message[18:20], message[20]) == (b"\xff" * 16, b"\x03\x06", subcode)


def test_shutdown_communication() -> None:
    """It stands behind an administrative reset with its length, and is cut between characters (RFC 9003)."""
    message = cease(Cease.ADMINISTRATIVE_RESET, "ü" * 200)
    assert message[21] == len(message[22:]) == 254
    assert message[22:].decode() == "ü" * 127
    assert len(cease(Cease.CONNECTION_REJECTED, "text")) == 21


def test_the_longest_prefix_wins() -> None:
    """A single address goes before its network, a smaller network before a larger one."""
    listed = peers(device(1, "10.0.0.0/8"), device(2, "10.1.0.0/16"), device(3, "10.1.2.3"), device(4, "2001:db8::/32"))
    assert [found(listed, f"10.{rest}") for rest in ("9.9.9", "1.9.9", "1.2.3")] == ["edge1", "edge2", "edge3"]
    assert (found(listed, "2001:db8:5::1"), found(listed, "11.0.0.1")) == ("edge4", None)


def test_unmasked_networks_are_masked() -> None:
    """10.1.2.3/16 means 10.1.0.0/16."""
    assert found(peers(device(1, "10.1.2.3/16")), "10.1.200.1") == "edge1"


def test_zones() -> None:
    """A listed zone must fit; without one any zone does, and the listed one goes first."""
    listed = peers(device(1, "fe80::1"), device(2, "fe80::1%eth1"))
    assert (found(listed, "fe80::1%eth0"), found(listed, "fe80::1%eth1")) == ("edge1", "edge2")
    assert found(peers(device(2, "fe80::1%eth1")), "fe80::1%eth0") is None


def test_both_families_of_one_device() -> None:
    """A device may have an address of each."""
    both = device(1, "192.0.2.1", device_bgp_neighbor_ip6="2001:db8::1")
    assert [found(peers(both), address) for address in ("192.0.2.1", "2001:db8::1")] == ["edge1", "edge1"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"device_bgp_type": "none"}, ""),
        ({"device_bgp_type": "other_device"}, ""),
        ({"device_bgp_password": "x" * 81}, "80 bytes"),
        ({"device_bgp_neighbor_ip": "10.0.0.300"}, "no address"),
        ({"device_bgp_neighbor_ip": ["10.0.0.3"]}, "no address"),
        ({"device_bgp_neighbor_ip": ""}, ""),
    ],
)
def test_devices_that_do_not_peer(fields: dict[str, object], told: str) -> None:
    """They are left out, and where something is wrong it is told without the key."""
    listed = peers({**device(1, "192.0.2.1"), **fields})
    assert (len(listed), told in "".join(listed.problems), "xxx" in "".join(listed.problems)) == (0, True, False)
    assert bool(listed.problems) is bool(told)


@given(st.text(max_size=100))
def test_any_text_is_looked_up(text: str) -> None:
    """Whatever an agent calls a router, the answer is a peer or none."""
    assert found(peers(device(1, "0.0.0.0/0")), text) in ("edge1", None)


def test_news_say_everything_once() -> None:
    """After a change each asked router is told once, and a second look finds nothing."""
    told = Told(site_id=0, pin="p")
    before = peers(device(1, "192.0.2.1"))
    for address in ("192.0.2.1", "192.0.2.2"):
        told.answer(ControlRequest(proto="BGP", device_ip=address), before)
    assert list(told.news(before)) == []
    after = peers(device(2, "192.0.2.2", device_bgp_password="key"))
    news = {answer.device_ip: answer for answer in told.news(after)}
    assert news["192.0.2.1"].action == CONTROL_ACTION_BLOCK_IP
    assert news["192.0.2.2"].tcp_md5 == b"key"
    assert list(told.news(after)) == []


def test_news_are_of_the_agents_site() -> None:
    """Keys of other sites are none of its business."""
    listed = peers(
        device(1, "192.0.2.1", device_bgp_password="a", site={"id": 7}),
        device(2, "192.0.2.2", device_bgp_password="b", site={"id": 8}),
    )
    assert [answer.tcp_md5 for answer in Told(site_id=8, pin="p").news(listed)] == [b"b"]


def router(number: int) -> Router:
    """A router."""
    return Router(number, f"192.0.2.{number}", "")


def test_sources_stay() -> None:
    """A router has one address, another one another, over a save and a load as well."""
    sources = SourceMap(ip_network("127.64.0.0/16"))
    first = {number: sources.take(router(number), 1.0, ())[0] for number in range(1, 100)}
    assert len(set(first.values())) == 99
    assert all(ip_address(address) in ip_network("127.64.0.0/16") for address in first.values())
    again = SourceMap(ip_network("127.64.0.0/16"))
    assert again.load(document(sources.all())) == 0
    assert {number: again.take(router(number), 2.0, ()) for number in first} == {
        number: (address, False) for number, address in first.items()
    }
    assert again.take(router(200), 2.0, ())[0] not in first.values()


def test_sources_of_a_small_network() -> None:
    """When all are taken, the router that was away the longest loses its address, but never one in use."""
    sources = SourceMap(ip_network("127.9.0.0/30"))
    one, two = (sources.take(router(number), float(number), ())[0] for number in (1, 2))
    assert {one, two} == {"127.9.0.1", "127.9.0.2"}
    assert sources.take(router(3), 3.0, {one})[0] == two
    with pytest.raises(NoSourceLeft):
        sources.take(router(4), 4.0, {one, two})
    assert sources.take(router(4), 4.0, {two})[0] == one
    assert len(sources) == 2


def test_sources_are_bounded() -> None:
    """So many routers are remembered, and not more."""
    sources = SourceMap(ip_network("127.64.0.0/16"), most=10)
    for number in range(1, 50):
        sources.take(router(number), float(number), ())
    assert len(sources) == 10


def test_another_network_means_other_addresses() -> None:
    """Lines of the old network are left out; the addresses of the new one are all there."""
    old = SourceMap(ip_network("127.64.0.0/16"))
    for number in range(1, 4):
        old.take(router(number), 1.0, ())
    new = SourceMap(ip_network("127.65.0.0/16"))
    assert (new.load(document(old.all())), len(new)) == (3, 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["source", "device_id", "router", "router_id", "last_used", "x"]), inner)
    ),
    max_leaves=12,
)


@settings(deadline=None)  # reads and writes files
@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps({"format": 1, "sources": value}).encode()))
def test_any_file_is_loaded_or_refused(body: bytes) -> None:
    """A damaged mapping is MalformedInput and nothing else."""
    sources = SourceMap(ip_network("127.64.0.0/16"))
    try:
        sources.load(body)
    except MalformedInput:
        return
    assert len(sources) <= 10_000


def test_two_lines_for_one_address() -> None:
    """The first one has it."""
    line = {"source": "127.64.0.1", "device_id": 1, "router": "a", "router_id": "", "last_used": 1.0}
    sources = SourceMap(ip_network("127.64.0.0/16"))
    sources.load(json.dumps({"format": 1, "sources": [line, {**line, "device_id": 2}]}).encode())
    assert [source.router.device_id for source in sources.all()] == [1]


def test_streams_of_a_minute() -> None:
    """So many may be opened in a minute; the next minute begins anew."""
    tenant = Tenant("a")
    for _ in range(tenants.OPENS):
        tenant.opened(100.0)
    with pytest.raises(OverLimit, match="60 s"):
        tenant.opened(100.0)
    assert tenant.opens_left(130.0) == (0, 30.0)
    tenant.opened(160.0)
    assert tenant.opens_left(160.0)[0] == tenants.OPENS - 1


def test_waking_when_there_is_room() -> None:
    """Those who wait are called once, when the tenant is no longer full."""
    tenant, woken = Tenant("a"), []
    tenant.hold(tenants.MAX_HELD + 10)
    tenant.when_room(lambda: woken.append(1))
    tenant.hold(-5)
    assert (tenant.full, woken) == (True, [])
    tenant.hold(-6)
    tenant.hold(-1)
    assert (tenant.full, woken) == (False, [1])


def test_many_tenants() -> None:
    """Idle ones make room; busy ones do not."""
    known = Tenants()
    for number in range(tenants.MAX_TENANTS):
        known.get(str(number)).sessions = 1
    with pytest.raises(OverLimit):
        known.get("another")
    known.get("7").sessions = 0
    assert known.get("another").name == "another"
    assert len(known.all()) == tenants.MAX_TENANTS


def test_an_ipv6_daemon() -> None:
    """It is reached from an IPv6 network."""
    daemon = daemon_address("fd00::1")
    assert str(source_network("fd00:1::/64", daemon)) == "fd00:1::/64"
    with pytest.raises(ConfigError, match="ip -6 route add local"):
        source_network("127.64.0.0/16", daemon)
    assert daemon_address("localhost") == IPv4Address("127.0.0.1")
