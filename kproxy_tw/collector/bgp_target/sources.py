"""A source address of its own for each router: the daemon tells its neighbors apart by it. Pure.

The mapping stays over restarts, so that a router is the same neighbor again. A router is known by its device, its
address and the BGP identifier of its OPEN: behind one NAT address there may be several.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import attrs

from kproxy_tw.errors import KproxyError, MalformedInput

MAX_SOURCES = 10_000
"""Routers that are remembered; the one that was away the longest makes room."""

FORMAT = 1
MAX_BYTES = 8 << 20
"""A longer file was not written by us."""

MAX_TEXT = 64


class NoSourceLeft(KproxyError):
    """All source addresses are in use by sessions."""


@attrs.frozen(order=True)
class Router:
    """Who a source address belongs to.

    :ivar router_id: the BGP identifier, dotted; empty when it did not say an OPEN in time.
    """

    device_id: int
    address: str
    router_id: str


@attrs.frozen
class Source:
    """One line of the mapping. :ivar last_used: seconds since 1970."""

    address: str
    router: Router
    last_used: float


class SourceMap:
    """Routers and their source addresses, within ``network``.

    :param most: how many are remembered.
    """

    def __init__(self, network: IPv4Network | IPv6Network, *, most: int = MAX_SOURCES) -> None:
        self.network = network
        self._most = min(most, sum(1 for _ in zip(range(most), _usable(network), strict=False)))
        self._by_router: dict[Router, Source] = {}
        self._taken: set[str] = set()
        self._next = _usable(network)

    def __len__(self) -> int:
        return len(self._by_router)

    def all(self) -> tuple[Source, ...]:
        """The mapping as it is now."""
        return tuple(self._by_router.values())

    def take(self, router: Router, now: float, in_use: Collection[str]) -> tuple[str, bool]:
        """The source address of a router, and whether it is new.

        :param now: seconds since 1970.
        :param in_use: addresses that must not change hands.
        :raises NoSourceLeft: as many routers as there are addresses have a session.
        """
        known = self._by_router.get(router)
        address = known.address if known else self._free(in_use)
        self._by_router[router] = Source(address, router, now)
        self._taken.add(address)
        return address, known is None

    def _free(self, in_use: Collection[str]) -> str:
        if len(self._by_router) >= self._most:
            return self._recycled(in_use)
        for _ in range(2):
            for candidate in self._next:
                if candidate not in self._taken:
                    return candidate
            self._next = _usable(self.network)
        return self._recycled(in_use)

    def _recycled(self, in_use: Collection[str]) -> str:
        idle = [source for source in self._by_router.values() if source.address not in in_use]
        if not idle:
            raise NoSourceLeft(f"all {len(self._by_router)} source addresses of {self.network} are in use")
        oldest = min(idle, key=lambda source: source.last_used)
        del self._by_router[oldest.router]
        return oldest.address

    def load(self, body: bytes) -> int:
        """Take over what :func:`document` made; lines of another network are left out.

        :returns: how many were left out.
        :raises MalformedInput: it was not written by this program.
        """
        left_out = 0
        for source in _parsed(body):
            if self._fits(source):
                self._by_router[source.router] = source
                self._taken.add(source.address)
            else:
                left_out += 1
        return left_out

    def _fits(self, source: Source) -> bool:
        inside = ip_address(source.address) in self.network
        return inside and source.address not in self._taken and len(self._by_router) < self._most


def document(sources: Iterable[Source]) -> bytes:
    """The mapping for the disk, in the order of its routers."""
    lines = [
        {
            "source": source.address,
            "device_id": source.router.device_id,
            "router": source.router.address,
            "router_id": source.router.router_id,
            "last_used": round(source.last_used, 3),
        }
        for source in sorted(sources, key=lambda source: source.router)
    ]
    return json.dumps({"format": FORMAT, "sources": lines}).encode()


def _usable(network: IPv4Network | IPv6Network) -> Iterator[str]:
    return (str(address) for address in network.hosts())


def _parsed(body: bytes) -> list[Source]:
    if len(body) > MAX_BYTES:
        raise MalformedInput(f"more than {MAX_BYTES} bytes")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedInput("not JSON") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise MalformedInput(f"not of format {FORMAT}")
    lines = document.get("sources")
    if not isinstance(lines, list) or len(lines) > MAX_SOURCES:
        raise MalformedInput("its sources are no list, or too many")
    return [_source(line) for line in lines]


def _source(line: object) -> Source:
    if not isinstance(line, dict):
        raise MalformedInput("a source is no object")
    device_id, last_used = line.get("device_id"), line.get("last_used")
    if not isinstance(device_id, int) or not isinstance(last_used, int | float):
        raise MalformedInput("a source has no device_id or last_used")
    router = Router(device_id, _text(line, "router"), _text(line, "router_id"))
    try:
        address: IPv4Address | IPv6Address = ip_address(_text(line, "source"))
    except ValueError:
        raise MalformedInput("a source is no address") from None
    return Source(str(address), router, float(last_used))


def _text(line: Mapping[object, object], name: str) -> str:
    value = line.get(name)
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise MalformedInput(f"{name} of a source is no short text")
    return value
