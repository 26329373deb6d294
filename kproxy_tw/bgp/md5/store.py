"""Keys on the listening sockets: the kernel is where they are stored.

A key must stand on the listener before the SYN comes; on an accepted socket it would be too late, the unsigned
handshake has then been let through. Removing or replacing a listener's key leaves running sessions alone.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network

from kproxy_tw.bgp.md5.sockopt import TCP_AO_INFO, Network, key_option
from kproxy_tw.errors import StoreError

Listeners = Callable[[], Sequence[socket.socket]]

PROBED = IPv4Network("127.0.0.1")
"""Whose key is set on a socket of nobody, to see whether the kernel takes it."""

NO_MEMORY = (
    "the kernel has no more room for TCP-MD5 keys on a socket; raise the limit: sysctl -w net.core.optmem_max=1048576,"
    " then restart kbgp"
)


class NoRoomForKeys(StoreError):
    """The kernel's limit on a socket's options is reached; ``str()`` names the sysctl."""


class KernelKeys:
    """Sets the same keys on all listeners that take connections of the address in question.

    :param listeners: the listening TCP sockets, asked for at each change.
    """

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners

    def put(self, network: Network, key: bytes) -> None:
        """Set or replace a key. On failure no listener has it.

        :raises NoRoomForKeys: see there.
        :raises StoreError: the kernel refuses for another reason, or the key is too long.
        """
        if not key:
            raise StoreError(f"the TCP-MD5 key of {network} is empty")
        try:
            for listener in self._serving(network):
                _set(listener, network, key)
        except (OSError, ValueError) as problem:
            self.remove(network)
            raise _explained(problem, network) from problem

    def remove(self, network: Network) -> None:
        """Delete a key; no listener needs to have it."""
        for listener in self._serving(network):
            with suppress(OSError):  # ENOENT: it has none
                _set(listener, network, b"")

    def _serving(self, network: Network) -> list[socket.socket]:
        return [listener for listener in self._listeners() if _takes(listener, network)]


def _takes(listener: socket.socket, network: Network) -> bool:
    if listener.family == socket.AF_INET:
        return network.version == 4
    return network.version == 6 or not listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def _set(sock: socket.socket, network: Network, key: bytes) -> None:
    option, value = key_option(network, key, family=sock.family)
    sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _explained(problem: OSError | ValueError, network: Network) -> StoreError:
    if isinstance(problem, OSError) and problem.errno == errno.ENOMEM:
        return NoRoomForKeys(f"no TCP-MD5 key for {network}: {NO_MEMORY}")
    reason = problem.strerror if isinstance(problem, OSError) else str(problem)
    return StoreError(f"the kernel took no TCP-MD5 key for {network}: {reason}")


def is_signed(accepted: socket.socket, host: Network, key: bytes) -> bool:
    """Whether an accepted connection is signed: the kernel copied the listener's key to it.

    The kernel tells by deleting that key; ``key`` takes its place at once. A segment that comes in between is dropped
    and sent again.

    :raises OSError: the socket is closed, or the kernel refuses.
    """
    try:
        _set(accepted, host, b"")
    except FileNotFoundError:
        return False
    _set(accepted, host, key)
    return True


def md5_problem() -> str:
    """Why this kernel cannot do TCP-MD5; empty when it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        option, value = key_option(PROBED, b"probe", family=socket.AF_INET)
        try:
            probe.setsockopt(socket.IPPROTO_TCP, option, value)
        except OSError as problem:
            return (
                f"this kernel refuses TCP-MD5 (TCP_MD5SIG: {problem.strerror}): it was built without CONFIG_TCP_MD5SIG,"
                " or MD5 is switched off (FIPS mode)"
            )
    return ""


def kernel_has_tcp_ao() -> bool:
    """Whether this kernel was built with TCP-AO (RFC 5925)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.getsockopt(socket.IPPROTO_TCP, TCP_AO_INFO, 64)
        except OSError as problem:
            return problem.errno not in (errno.ENOPROTOOPT, errno.EOPNOTSUPP)
    return True
