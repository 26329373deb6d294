"""What Control says of a router, and what has to be said again after the device list has changed. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from kproxy_tw.bgp.metadata import PROTO_BGP
from kproxy_tw.bgp.proto.ktbgp_pb2 import (
    CONTROL_ACTION_BLOCK_IP,
    ControlRequest,
    ControlResponse,
    KeyVal,
)
from kproxy_tw.collector.bgp_target.peers import Peer, PeerList

BLOCK_SECONDS = 1200
"""How long an unknown router stays blocked, unless the device list changes before."""

KNOWN_SECONDS = 300
"""How long a known router's answer may be used again; changes are pushed, this is for what gets lost."""

MAX_TOLD = 20_000
"""Routers that are remembered for each Control stream."""

PIN = "backend-pin"
PREFIX = "tcp-md5-prefix"
"""Metadata key of the network that a key is for, where a device is a whole network."""


def reply(request: ControlRequest, peer: Peer | None, pin: str) -> ControlResponse:
    """Answer a question about a router.

    :param peer: what the device list says of it; ``None`` blocks it.
    :param pin: to be echoed with each Data stream.
    """
    answer = ControlResponse(
        proto=request.proto,
        device_ip=request.device_ip,
        device_port=request.device_port,
        proxy_ip=request.proxy_ip,
        proxy_port=request.proxy_port,
    )
    if peer is None or request.proto != PROTO_BGP:
        answer.action = CONTROL_ACTION_BLOCK_IP
        answer.ttl_seconds = BLOCK_SECONDS
        return answer
    answer.ttl_seconds = KNOWN_SECONDS
    answer.company_id = peer.company_id
    answer.device_id = peer.device_id
    answer.device_name = peer.name
    answer.tcp_md5 = peer.key
    answer.metadata.append(KeyVal(key=PIN, val=[pin]))
    if peer.is_prefix:
        answer.metadata.append(KeyVal(key=PREFIX, val=[str(peer.network)]))
    return answer


class Told:
    """What one Control stream has been told.

    :param site_id: the agent's site.
    :param pin: of this kcollect.
    """

    def __init__(self, *, site_id: int, pin: str) -> None:
        self._site_id = site_id
        self._pin = pin
        self._told: OrderedDict[str, ControlResponse] = OrderedDict()

    def answer(self, request: ControlRequest, peers: PeerList) -> ControlResponse:
        """Answer a question, and remember the answer."""
        answer = reply(request, peers.find(request.device_ip, self._site_id), self._pin)
        self._remember(answer)
        return answer

    def news(self, peers: PeerList) -> Iterator[ControlResponse]:
        """Yield what the agent does not know yet: whom to expect, and every answer that would be another one now."""
        for device_ip, old in list(self._told.items()):
            question = ControlRequest(
                proto=old.proto,
                device_ip=device_ip,
                device_port=old.device_port,
                proxy_ip=old.proxy_ip,
                proxy_port=old.proxy_port,
            )
            now = reply(question, peers.find(device_ip, self._site_id), self._pin)
            if now != old:
                self._remember(now)
                yield now
        for peer in peers.worth_telling(self._site_id):
            if peer.address not in self._told:
                now = reply(ControlRequest(proto=PROTO_BGP, device_ip=peer.address), peer, self._pin)
                self._remember(now)
                yield now

    def _remember(self, answer: ControlResponse) -> None:
        self._told[answer.device_ip] = answer
        self._told.move_to_end(answer.device_ip)
        while len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
