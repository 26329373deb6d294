"""From SYNs, replies and connections to keys, with a backend and a kernel that only remember."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from ipaddress import ip_network
from typing import Any

import attrs
import pytest

from kproxy_tw.bgp.admission import NoRoom
from kproxy_tw.bgp.interfaces import Parameters
from kproxy_tw.bgp.md5.keys import PREFIX_METADATA
from kproxy_tw.bgp.md5.learning import Learner
from kproxy_tw.bgp.md5.questions import AGAIN_SECONDS
from kproxy_tw.bgp.md5.ring import KeyRing
from kproxy_tw.bgp.md5.store import KernelKeys
from kproxy_tw.bgp.md5.syn import parse_syn
from kproxy_tw.bgp.md5.verdict import Verdict
from kproxy_tw.errors import UpstreamError
from tests.bgp.md5.syn_packets import packet, signed, unsigned

ROUTER = "127.0.0.5"


class FakeBackend:
    """Answers at once from ``keys``; remembers what it was asked."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}
        self.prefixes: dict[str, str] = {}
        self.blocked: set[str] = set()
        self.problem: Exception | None = None
        self.asked: list[str] = []

    def reply(self, address: str) -> Parameters:
        """What it says of an address."""
        prefix = self.prefixes.get(address)
        return Parameters(
            device_ip=address,
            blocked=address in self.blocked,
            tcp_md5=self.keys.get(address, b""),
            metadata={PREFIX_METADATA: (prefix,)} if prefix else {},
        )

    async def parameters(self, *, device_ip: str, device_port: int, proxy_ip: str, proxy_port: int) -> Parameters:
        """Answer."""
        self.asked.append(device_ip)
        if self.problem is not None:
            raise self.problem
        return self.reply(device_ip)

    def forget(self, device_ip: str) -> None:
        """Remember that it was told to forget."""
        self.asked.append(f"forget {device_ip}")

    def on_pushed(self, callback: Callable[[Parameters], None]) -> None:
        """Nothing is pushed by itself."""


@attrs.define(slots=False)
class Scene:
    """A learner and all that it sees."""

    backend: FakeBackend = attrs.field(factory=FakeBackend)
    listeners: list[socket.socket] = attrs.field(factory=list)
    now: float = 0.0
    seen_: list[tuple[str, Verdict]] = attrs.field(factory=list)
    said: list[tuple[str, str]] = attrs.field(factory=list)
    changes: list[tuple[str, str]] = attrs.field(factory=list)
    again: int = 0

    def __attrs_post_init__(self) -> None:
        self.ring = KeyRing(KernelKeys(lambda: self.listeners))
        self.learner = Learner(
            backend=self.backend,
            ring=self.ring,
            audience=self,
            spawn=self._run,
            seconds=lambda: self.now,
            zone=lambda index: f"eth{index}",
        )

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        with pytest.raises(StopIteration):
            work.send(None)

    def seen(self, router: str, verdict: Verdict) -> None:
        """Remember."""
        self.seen_.append((router, verdict))

    def seen_again(self, router: str) -> None:
        """Count."""
        self.again += 1

    def wrong(self, router: str, matter: str, text: str) -> None:
        """Remember."""
        self.said.append((router, matter))

    def changed(self, network: str, what: str) -> None:
        """Remember."""
        self.changes.append((network, what))

    def networks(self) -> list[str]:
        """Whose keys are in force."""
        return [str(network) for network in self.ring.networks()]


@pytest.fixture
def scene() -> Scene:
    """Nobody has a key yet."""
    return Scene()


def test_a_key_that_the_syn_proves_is_installed(scene: Scene) -> None:
    """First SYN: asked, proven, set. Second one: it is right, nobody is asked."""
    scene.backend.keys[ROUTER] = b"right"
    scene.learner.syn(signed(ROUTER, b"right"))
    scene.learner.syn(signed(ROUTER, b"right"))
    assert (scene.networks(), scene.backend.asked) == ([f"{ROUTER}/32"], [ROUTER])
    assert scene.seen_ == [(ROUTER, Verdict.SIGNED)] * 2
    assert scene.said == []


def test_a_key_that_the_syn_disproves_is_not_installed(scene: Scene) -> None:
    """The log says wrong key, once a question; repetitions are counted."""
    scene.backend.keys[ROUTER] = b"right"
    for _attempt in range(3):
        scene.learner.syn(signed(ROUTER, b"wrong"))
    assert scene.networks() == []
    assert (scene.said, scene.again) == ([(ROUTER, "wrong key")], 2)


def test_a_signature_that_nobody_expects(scene: Scene) -> None:
    """The log says unexpected key."""
    scene.learner.syn(signed(ROUTER, b"any"))
    assert (scene.said, scene.networks()) == ([(ROUTER, "unexpected key")], [])


def test_a_signature_that_is_missing(scene: Scene) -> None:
    """A router with a key in force that connects unsigned: the log says no key, the key stays."""
    scene.backend.keys[ROUTER] = b"right"
    scene.learner.syn(signed(ROUTER, b"right"))
    scene.now += AGAIN_SECONDS
    scene.learner.syn(unsigned(ROUTER))
    assert (scene.said, scene.networks()) == ([(ROUTER, "no key")], [f"{ROUTER}/32"])


def test_unsigned_strangers_cost_nothing(scene: Scene) -> None:
    """No question, no line, no entry."""
    for number in range(100):
        scene.learner.syn(unsigned(f"10.0.0.{number}"))
    assert (scene.backend.asked, scene.seen_, scene.said) == ([], [], [])


def test_a_router_whose_key_changed_first(scene: Scene) -> None:
    """Wrong under the key in force: the backend is asked anew, past its cache, and the new key replaces the old."""
    scene.backend.keys[ROUTER] = b"old"
    scene.learner.syn(signed(ROUTER, b"old"))
    scene.backend.keys[ROUTER] = b"new"
    scene.now += AGAIN_SECONDS
    scene.learner.syn(signed(ROUTER, b"new"))
    assert scene.backend.asked == [ROUTER, f"forget {ROUTER}", ROUTER]
    assert scene.changes == [(ROUTER, "set"), (ROUTER, "replaced")]
    assert scene.said == []


def test_pushed_replies_set_replace_and_remove(scene: Scene) -> None:
    """What the backend sends unasked is in force at once; a block changes nothing."""
    scene.backend.keys[ROUTER] = b"one"
    scene.learner.pushed(scene.backend.reply(ROUTER))
    scene.backend.keys[ROUTER] = b"two"
    scene.learner.pushed(scene.backend.reply(ROUTER))
    scene.learner.pushed(scene.backend.reply(ROUTER))
    scene.learner.pushed(Parameters(device_ip=ROUTER, blocked=True))
    scene.learner.pushed(Parameters(device_ip=ROUTER))
    assert scene.changes == [(ROUTER, "set"), (ROUTER, "replaced"), (ROUTER, "removed")]
    assert scene.networks() == []


def test_one_prefix_key_serves_all_its_routers(scene: Scene) -> None:
    """The second router of the prefix finds its key in force without a question."""
    scene.backend.keys["10.0.0.1"] = b"shared"
    scene.backend.prefixes["10.0.0.1"] = "10.0.0.0/24"
    scene.learner.syn(signed("10.0.0.1", b"shared"))
    scene.learner.syn(signed("10.0.0.2", b"shared"))
    assert (scene.networks(), scene.backend.asked) == (["10.0.0.0/24"], ["10.0.0.1"])


@pytest.mark.parametrize("problem", [UpstreamError("the control stream is down"), NoRoom("64 wait already")])
def test_no_answer_is_told_and_asked_again(problem: Exception, scene: Scene) -> None:
    """The next SYN asks again at once."""
    scene.backend.problem = problem
    scene.learner.syn(signed(ROUTER, b"k"))
    scene.backend.problem, scene.backend.keys[ROUTER] = None, b"k"
    scene.learner.syn(signed(ROUTER, b"k"))
    assert (scene.said, scene.networks()) == ([(ROUTER, "no answer")], [f"{ROUTER}/32"])


def test_a_reply_that_makes_no_sense_is_told(scene: Scene) -> None:
    """A prefix beside the address: no key, one line, no exception."""
    scene.backend.keys[ROUTER], scene.backend.prefixes[ROUTER] = b"k", "10.0.0.0/24"
    scene.learner.syn(signed(ROUTER, b"k"))
    assert (scene.said[0], scene.networks()) == ((ROUTER, "bad reply"), [])


def test_tcp_ao_is_named(scene: Scene) -> None:
    """Nobody is asked: there is no key that would help."""
    scene.learner.syn(parse_syn(packet(ROUTER, b"\x1d\x10" + bytes(14))))
    assert (scene.said, scene.backend.asked) == ([(ROUTER, "TCP-AO")], [])


def test_a_link_local_router_is_asked_about_with_its_zone(scene: Scene) -> None:
    """The interface's name stands behind the address, as in the session table."""
    ipv6 = b"\x60" + bytes(3) + (20 + 20).to_bytes(2, "big") + b"\x06\x40"
    ipv6 += b"\xfe\x80" + bytes(13) + b"\x01" + b"\xfe\x80" + bytes(13) + b"\x02"
    tcp = bytes(12) + b"\xa0\x02" + bytes(6) + b"\x13\x12" + bytes(18)
    scene.learner.syn(parse_syn(ipv6 + tcp, 4))
    assert scene.backend.asked == ["fe80::1%eth4"]


@attrs.define(slots=False)
class Accepted:
    """Both ends of connections from ``ROUTER`` over loopback."""

    scene: Scene
    listener: socket.socket

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Connect unsigned."""
        client = socket.create_connection(self.listener.getsockname(), source_address=(ROUTER, 0), timeout=5)
        return client, self.listener.accept()[0]


def test_an_unsigned_connection_does_not_get_past_the_key(scene: Scene) -> None:
    """The key stood not on the listener when the router connected: refused, and from now on the key is there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scene.listeners.append(listener)
        client, accepted = Accepted(scene, listener).connect()
        with client, accepted:
            scene.backend.keys[ROUTER] = b"key"
            reason = scene.learner.refusal(accepted, ROUTER, scene.backend.reply(ROUTER))
        assert reason.startswith("no key")
        assert scene.networks() == [f"{ROUTER}/32"]


def test_a_connection_without_key_on_either_side_goes_on(scene: Scene) -> None:
    """Nothing to check, nothing said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client, accepted = Accepted(scene, listener).connect()
        with client, accepted:
            assert scene.learner.refusal(accepted, ROUTER, scene.backend.reply(ROUTER)) == ""
    assert (scene.said, scene.networks()) == ([], [])


def test_a_withdrawn_key_leaves_the_listener_with_the_next_connection(scene: Scene) -> None:
    """The reply of a connection is as good as a pushed one."""
    scene.ring.install(ip_network(ROUTER), b"old", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client, accepted = Accepted(scene, listener).connect()
        with client, accepted:
            assert scene.learner.refusal(accepted, ROUTER, Parameters(device_ip=ROUTER)) == ""
    assert scene.networks() == []
