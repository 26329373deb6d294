"""What is known of exporters is told to listed kproxys, and to nobody else."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.web.test.requesthelper import DummyRequest

import attrs
import pytest

from kproxy_tw.errors import StoreError
from kproxy_tw.web.sharing import SharedState, Sharing


@attrs.define
class Memory:
    """What there is to tell."""

    version: str = '"7"'
    body: bytes = b"templates"
    problem: str = ""

    def allows(self, address: str) -> bool:
        """One peer."""
        return address == "192.0.2.5"

    async def told(self, known: str) -> tuple[str, bytes | None]:
        """See ``SharedState``."""
        if self.problem:
            raise StoreError(self.problem)
        return self.version, None if known == self.version or not self.version else self.body


def asked(memory: SharedState | None, address: Any, known: str = "") -> tuple[int, bytes, str]:
    """Status, body and version of the answer."""
    request: Any = DummyRequest([b"admin", b"exporters"])
    request.uri = b"/admin/exporters"
    request.client = address
    request.requestHeaders.setRawHeaders("If-None-Match", [known])
    bodies: list[bytes] = []
    Deferred.fromCoroutine(Sharing(memory).answer(request)).addCallback(bodies.append)
    version = request.responseHeaders.getRawHeaders("etag", [""])[0]
    return request.responseCode, bodies[0], version


PEER = IPv4Address("TCP", "192.0.2.5", 50000)


def test_a_peer_gets_the_file_once() -> None:
    """And is told when it has it already."""
    assert asked(Memory(), PEER) == (200, b"templates", '"7"')
    assert asked(Memory(), IPv6Address("TCP", "::ffff:192.0.2.5", 1)) == (200, b"templates", '"7"')
    assert asked(Memory(), PEER, '"7"') == (304, b"", '"7"')
    assert asked(Memory(version=""), PEER)[:2] == (204, b"")


@pytest.mark.parametrize("address", [IPv4Address("TCP", "192.0.2.6", 1), IPv6Address("TCP", "2001:db8::1", 1), None])
def test_nobody_else_gets_anything(address: Any) -> None:
    """Whatever they have heard of."""
    code, body, version = asked(Memory(), address)
    assert (code, version, b"templates" in body) == (403, "", False)


def test_without_peers_there_is_nothing_to_ask() -> None:
    """As it is by default."""
    assert asked(None, PEER)[0] == 403


def test_a_file_that_cannot_be_read() -> None:
    """Said, with the reason."""
    code, body, _version = asked(Memory(problem="cannot read it"), PEER)
    assert (code, b"cannot read it" in body) == (503, True)
