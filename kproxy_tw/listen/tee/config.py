"""What ``-tee_kproxy`` says: who else gets the datagrams, and as whose."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

import attrs

from kproxy_tw.addresses import plain_address
from kproxy_tw.errors import ConfigError, MalformedInput

FLAG = "tee_kproxy"
MAX_TARGETS = 16
MAX_PORT = 65535

EXPORTER, HEADER = "exporter", "proxy"
"""Words that stand for a source: the exporter's own address and port; ours, and the exporter's in a PROXY header."""


@attrs.frozen
class TeeTarget:
    """One more receiver.

    :ivar host, port: its address.
    :ivar source: the address of this machine that the copies are sent from, ``EXPORTER``, ``HEADER``, or empty for
        whatever address the kernel takes.
    """

    host: str
    port: int
    source: str = ""

    @property
    def is_ipv6(self) -> bool:
        """Which of the two families it is of."""
        return ":" in self.host


def tee_targets(text: str | None, listening: Sequence[str], port: int) -> tuple[TeeTarget, ...]:
    """Read ``[SOURCE:]ADDRESS:PORT,...``; IPv6 addresses stand in brackets.

    :param listening: the addresses that flow is taken on; ``port``: the port.
    :raises ConfigError: one of them cannot be read, or is ourselves.
    """
    targets = tuple(_target(part.strip()) for part in (text or "").split(",") if part.strip())
    if len(targets) > MAX_TARGETS:
        raise ConfigError(FLAG, f"names more than {MAX_TARGETS} targets")
    for target in targets:
        here = ip_address(target.host)
        if target.port == port and (here.is_loopback or here.is_unspecified or target.host in listening):
            raise ConfigError(FLAG, f"must not send to kproxy itself: {target.host} port {target.port}")
    return targets


def _target(text: str) -> TeeTarget:
    rest, _colon, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= MAX_PORT):
        raise _unreadable(text)
    source, host = _split(rest)
    try:
        target = TeeTarget(
            plain_address(host), int(port), source if source in ("", EXPORTER, HEADER) else _plain(source)
        )
    except MalformedInput:
        raise _unreadable(text) from None
    if target.source not in ("", EXPORTER, HEADER) and (":" in target.source) != target.is_ipv6:
        raise ConfigError(FLAG, f"has a source and a target of different families: {text}")
    return target


def _split(text: str) -> tuple[str, str]:
    """The source in front, and the host without brackets."""
    if text.endswith("]"):
        source, _bracket, host = text[:-1].rpartition("[")
        return source.removesuffix(":"), host
    source, _colon, host = text.rpartition(":")
    return source, host


def _plain(source: str) -> str:
    return plain_address(source.removeprefix("[").removesuffix("]"))


def _unreadable(text: str) -> ConfigError:
    return ConfigError(
        FLAG, f"must look like 192.0.2.9:9995, exporter:192.0.2.9:9995, proxy:[2001:db8::9]:9995: {text[:80]!r}"
    )
