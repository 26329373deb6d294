"""Which agent sent an sFlow datagram: the check of its version, and the agent's address."""

from __future__ import annotations

from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_ntop

import attrs

from kproxy_tw.errors import MalformedInput, UnknownVersion
from kproxy_tw.reader import unpacker

VERSION = 5

AGENT_FAMILIES = {1: (AF_INET, 4), 2: (AF_INET6, 16)}
"""The agent's address type: family, bytes."""

NO_AGENT = ("0.0.0.0", "::")  # noqa: S104 - an agent that does not know its address
"""Agent addresses that name nobody."""

_two = unpacker("II")
_four = unpacker("IIII")


def agent_address(data: bytes) -> str:
    """The agent's address as text. :raises MalformedInput: no header of sFlow version 5."""
    version, kind = _two(data, 0)
    if version != VERSION:
        raise UnknownVersion(f"sFlow version {version}; only version {VERSION} is decoded")
    if kind not in AGENT_FAMILIES:
        raise MalformedInput(f"sFlow agent address of type {kind}, neither IPv4 (1) nor IPv6 (2)")
    family, size = AGENT_FAMILIES[kind]
    _four(data, 8 + size)
    return inet_ntop(family, data[8 : 8 + size])


def agent_or(data: bytes, source: str) -> str:
    """The agent's address; ``source`` where it is none that a device can have, or the header is damaged."""
    try:
        agent = agent_address(data)
    except MalformedInput:
        return source
    agent = agent.removeprefix("::ffff:") if agent.startswith("::ffff:") and "." in agent else agent
    return source if agent in NO_AGENT else agent


@attrs.frozen(eq=False)
class Headers:
    """The headers of several datagrams.

    :ivar agents: the agents of those that are sound, and ``sound`` their positions.
    :ivar problems: of the others.
    """

    agents: list[str] = attrs.field(factory=list)
    sound: list[int] = attrs.field(factory=list)
    problems: list[MalformedInput] = attrs.field(factory=list)


def read_headers(datagrams: Sequence[bytes]) -> Headers:
    """Check them all; equal beginnings are looked at once."""
    headers = Headers()
    names: dict[bytes, str] = {}
    for index, data in enumerate(datagrams):
        head = data[:24] if data[7:8] == b"\x02" else data[:12]
        name = names.get(head) if len(data) >= len(head) + 16 else None
        if name is None:
            try:
                name = names[head] = agent_address(data)
            except MalformedInput as problem:
                headers.problems.append(problem)
                continue
        headers.agents.append(name)
        headers.sound.append(index)
    return headers
