"""The metadata of kbgp's streams: who is calling, which connection, and how far each side has come. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import attrs

from kproxy_tw.bgp.interfaces import Connection
from kproxy_tw.errors import MalformedInput

Metadata = Mapping[str, tuple[str, ...]]
"""Keys in lower case, each with its values in the order in which they came."""

Pairs = tuple[tuple[str, str], ...]
"""Metadata as gRPC sends it."""

EMAIL = "x-ch-auth-email"
TOKEN = "x-ch-auth-api-token"  # noqa: S105  (a key's name)
OTHER_TOKEN = "x-ch-auth-token"  # noqa: S105
SITE = "sid"
SESSION = "session-id"
UP = "counter-up"
DOWN = "counter-down"
PROTO = "proto"
PROTO_BGP = "BGP"

MAX_KEYS = 64
MAX_KEY_LENGTH = 128
MAX_VALUE_LENGTH = 4096
MAX_ECHOED_BYTES = 4096
MAX_COUNT = (1 << 63) - 1
MAX_PORT = (1 << 16) - 1
MAX_SITE = (1 << 63) - 1

_KEY = re.compile(r"[0-9a-z_.-]+")
_NUMBER = re.compile(r"[0-9]{1,19}")
_CONNECTION = {
    "session_id": SESSION,
    "device_ip": "device-ip",
    "device_port": "device-port",
    "proxy_ip": "proxy-ip",
    "proxy_port": "proxy-port",
}
_OWN = frozenset(
    {EMAIL, TOKEN, OTHER_TOKEN, SITE, UP, DOWN, PROTO, "version", "instance", "te", "content-type", "user-agent"}
    | set(_CONNECTION.values())
)


@attrs.frozen(kw_only=True)
class Caller:
    """An agent, as it introduces itself on every stream.

    :ivar instance: a UUID made at each start.
    :ivar site_id: look devices up in this site only; 0: in any.
    """

    email: str
    token: str = attrs.field(repr=False)
    version: str = ""
    instance: str = ""
    site_id: int = 0


@attrs.frozen
class Counts:
    """Messages of a session so far: ``up`` towards the backend, ``down`` towards the router.

    The agent gives what it has sent and received, the target what it has received and sent.
    """

    up: int = 0
    down: int = 0


@attrs.frozen(kw_only=True)
class Opening:
    """How a Data stream begins. ``extra``: what Control told the agent to echo (``backend-pin``)."""

    caller: Caller
    connection: Connection
    counts: Counts
    extra: Metadata


def control_pairs(caller: Caller) -> Pairs:
    """The metadata of a Control stream."""
    site = ((SITE, str(caller.site_id)),) if caller.site_id else ()
    own = ((EMAIL, caller.email), (TOKEN, caller.token), ("version", caller.version), ("instance", caller.instance))
    return own + site


def data_pairs(caller: Caller, connection: Connection, counts: Counts, echoed: Metadata) -> Pairs:
    """The metadata of a Data stream.

    :param echoed: of Control's reply; keys that are ours or that HTTP/2 cannot carry are left out.
    """
    described = tuple((key, str(getattr(connection, name))) for name, key in _CONNECTION.items())
    return (*control_pairs(caller), (PROTO, PROTO_BGP), *described, *counts_pairs(counts), *_echoed(echoed))


def counts_pairs(counts: Counts) -> Pairs:
    """The counters, as both sides send them."""
    return ((UP, str(counts.up)), (DOWN, str(counts.down)))


def gathered(pairs: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """Gather what gRPC received; binary values and what is beyond the bounds are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for key, value in pairs or ():
        if isinstance(value, str) and len(key) <= MAX_KEY_LENGTH and (key in found or len(found) < MAX_KEYS):
            found[key] = (*found.get(key, ())[: MAX_KEYS - 1], value[:MAX_VALUE_LENGTH])
    return MappingProxyType(found)


def shown(pairs: Pairs) -> dict[str, list[str]]:
    """Metadata for the log, without the token."""
    secret = (TOKEN, OTHER_TOKEN)
    return {key: ["***"] if key in secret else list(values) for key, values in sorted(gathered(pairs).items())}


def counts_of(metadata: Metadata) -> Counts | None:
    """The counters; ``None`` if there are none. :raises MalformedInput: one of them is missing or is no number."""
    if UP not in metadata and DOWN not in metadata:
        return None
    return Counts(_number(metadata, UP, MAX_COUNT), _number(metadata, DOWN, MAX_COUNT))


def caller_of(metadata: Metadata) -> Caller:
    """Who opened a stream. Either name of the token is taken. Nothing is verified.

    :raises MalformedInput: a part is missing or is not what it must be; the token is never repeated.
    """
    return Caller(
        email=_value(metadata, EMAIL),
        token=_value(metadata, TOKEN if TOKEN in metadata else OTHER_TOKEN),
        version=_value(metadata, "version", ""),
        instance=_value(metadata, "instance", ""),
        site_id=_number(metadata, SITE, MAX_SITE) if SITE in metadata else 0,
    )


def opening_of(metadata: Metadata) -> Opening:
    """Take apart the metadata of a Data stream.

    :raises MalformedInput: a part is missing or is not what it must be.
    """
    proto = _value(metadata, PROTO)
    if proto != PROTO_BGP:
        raise MalformedInput(f"proto is {proto[:16]!r}, and only {PROTO_BGP} is relayed")
    connection = Connection(
        session_id=_value(metadata, SESSION),
        device_ip=_value(metadata, "device-ip"),
        device_port=_number(metadata, "device-port", MAX_PORT),
        proxy_ip=_value(metadata, "proxy-ip"),
        proxy_port=_number(metadata, "proxy-port", MAX_PORT),
    )
    return Opening(
        caller=caller_of(metadata),
        connection=connection,
        counts=counts_of(metadata) or Counts(),
        extra=MappingProxyType({key: values for key, values in metadata.items() if key not in _OWN}),
    )


def _echoed(metadata: Metadata) -> Pairs:
    pairs: list[tuple[str, str]] = []
    room = MAX_ECHOED_BYTES
    for key, values in metadata.items():
        if not _may_echo(key):
            continue
        for value in values:
            room -= len(key) + len(value)
            if room >= 0 and value.isascii() and value.isprintable():
                pairs.append((key, value))
    return tuple(pairs)


def _may_echo(key: str) -> bool:
    lawful = len(key) <= MAX_KEY_LENGTH and _KEY.fullmatch(key) and not key.endswith("-bin")
    return bool(lawful) and key not in _OWN and not key.startswith("grpc-")


def _value(metadata: Metadata, key: str, default: str | None = None) -> str:
    values = metadata.get(key, ())
    if len(values) > 1:
        raise MalformedInput(f"{key} is given {len(values)} times")
    if not values or not values[0]:
        if default is None:
            raise MalformedInput(f"{key} is missing")
        return default
    return values[0]


def _number(metadata: Metadata, key: str, most: int) -> int:
    text = _value(metadata, key)
    if not _NUMBER.fullmatch(text) or int(text) > most:
        raise MalformedInput(f"{key} is no number from 0 to {most}")
    return int(text)
