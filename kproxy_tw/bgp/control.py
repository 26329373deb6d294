"""What the control stream knows: replies kept as long as the backend allows, heartbeats and their round trips. Pure."""

from __future__ import annotations

from collections import OrderedDict
from types import MappingProxyType

import attrs

from kproxy_tw.addresses import plain_address
from kproxy_tw.bgp.interfaces import ControlStatus, Parameters
from kproxy_tw.bgp.metadata import MAX_KEYS, PROTO_BGP, gathered
from kproxy_tw.bgp.proto import ktbgp_pb2
from kproxy_tw.errors import MalformedInput

MAX_REPLIES = 4096
"""Addresses whose reply is kept; the least recently used one makes room."""

MAX_TTL_SECONDS = 7 * 86_400
MAX_KEY_BYTES = 80
"""Of a TCP MD5 key: the kernel's limit (TCP_MD5SIG_MAXKEYLEN)."""

MAX_NAME_LENGTH = 256


def parameters_of(reply: ktbgp_pb2.ControlResponse) -> Parameters:
    """Take a reply apart. :raises MalformedInput: it is none about a BGP router."""
    if reply.proto not in (PROTO_BGP, ""):
        raise MalformedInput("proto of the reply is not BGP")
    if len(reply.tcp_md5) > MAX_KEY_BYTES:
        raise MalformedInput(f"tcp_md5 is longer than {MAX_KEY_BYTES} bytes, which no TCP can use")
    echoed = gathered((pair.key, value) for pair in reply.metadata[:MAX_KEYS] for value in pair.val[:MAX_KEYS])
    return Parameters(
        device_ip=plain_address(reply.device_ip),
        blocked=reply.action == ktbgp_pb2.CONTROL_ACTION_BLOCK_IP,
        company_id=reply.company_id,
        device_id=reply.device_id,
        device_name=reply.device_name[:MAX_NAME_LENGTH],
        tcp_md5=reply.tcp_md5,
        metadata=MappingProxyType(dict(echoed)),
        ttl_seconds=reply.ttl_seconds,
        ttl_counter=reply.ttl_counter,
    )


@attrs.define
class _Kept:
    parameters: Parameters
    until: float
    uses_left: int | None


class ReplyCache:
    """Replies by router address, each for its ``ttl_seconds`` and, if that is not 0, ``ttl_counter`` uses."""

    def __init__(self, most: int = MAX_REPLIES) -> None:
        self._most = most
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def __len__(self) -> int:
        """How many addresses have a reply, those past their time included."""
        return len(self._kept)

    def put(self, parameters: Parameters, now: float) -> None:
        """Keep a reply in place of the one before it, or drop that if this one is not to be kept."""
        self._kept.pop(parameters.device_ip, None)
        if not parameters.ttl_seconds:
            return
        until = now + min(parameters.ttl_seconds, MAX_TTL_SECONDS)
        self._kept[parameters.device_ip] = _Kept(parameters, until, parameters.ttl_counter or None)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def use(self, device_ip: str, now: float) -> Parameters | None:
        """The reply about an address, used once more; ``None`` when it must be asked for."""
        kept = self._kept.get(device_ip)
        if kept is None:
            return None
        if now >= kept.until or kept.uses_left == 0:
            del self._kept[device_ip]
            return None
        if kept.uses_left is not None:
            kept.uses_left -= 1
        self._kept.move_to_end(device_ip)
        return kept.parameters

    def forget(self, device_ip: str) -> None:
        """Drop the reply about an address, if there is one."""
        self._kept.pop(device_ip, None)


class Pulse:
    """Heartbeats and state of the control stream, for people. Times are given as (monotonic, wall) seconds."""

    def __init__(self) -> None:
        self.status = ControlStatus()
        self._unanswered_since: float | None = None
        self._answers = False

    def began(self) -> None:
        """A stream was asked for; whether its server answers heartbeats is not known."""
        self._unanswered_since, self._answers = None, False

    def connected(self, wall: float) -> None:
        """The server has taken the stream."""
        if not self.status.connected:
            self.status = attrs.evolve(self.status, connected=True, since=wall, messages_received=0, last_error="")

    def lost(self, reason: str, wall: float) -> None:
        """The stream is over."""
        since = wall if self.status.connected else self.status.since
        self.status = attrs.evolve(self.status, connected=False, since=since, last_error=reason)

    def received(self) -> None:
        """A message came."""
        self.status = attrs.evolve(self.status, messages_received=self.status.messages_received + 1)

    def beat(self, now: float, wall: float) -> None:
        """A heartbeat has left."""
        if self._unanswered_since is None:
            self._unanswered_since = now
        self.status = attrs.evolve(self.status, last_sent=wall)

    def answered(self, now: float, wall: float) -> None:
        """A heartbeat came from the server."""
        self._answers = True
        self.status = attrs.evolve(self.status, last_received=wall)
        if self._unanswered_since is not None:
            milliseconds = round((now - self._unanswered_since) * 1000)
            self.status = attrs.evolve(self.status, last_round_trip_ms=milliseconds)
            self._unanswered_since = None

    def silent_seconds(self, now: float) -> float:
        """How long a heartbeat has waited for its answer; 0 for a server that answers none on this stream."""
        if self._unanswered_since is None or not self._answers:
            return 0.0
        return now - self._unanswered_since
