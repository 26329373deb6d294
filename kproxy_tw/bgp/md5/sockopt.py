"""``struct tcp_md5sig`` of ``linux/tcp.h``: how a key is told to the kernel."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Network = IPv4Network | IPv6Network

TCP_MD5SIG = 14
"""``linux/tcp.h``: set, replace or (with no key) delete the key of one address; not in :mod:`socket`."""

TCP_MD5SIG_EXT = 32
"""The same with a prefix length; Linux 4.13 and later."""

TCP_AO_INFO = 40
"""``linux/tcp.h``: TCP-AO of a socket; Linux 6.7 and later."""

TCP_MD5SIG_FLAG_PREFIX = 1
MAX_KEY_BYTES = 80
"""``TCP_MD5SIG_MAXKEYLEN``."""

STORAGE_BYTES = 128
"""``struct sockaddr_storage``."""

MAPPED_PREFIX = b"\0" * 10 + b"\xff" * 2
"""``::ffff:0:0/96``, RFC 4291 section 2.5.5.2."""


def key_option(network: Network, key: bytes, *, family: int) -> tuple[int, bytes]:
    """Option name and value for ``setsockopt(IPPROTO_TCP, ...)``.

    :param network: whose key it is; a single address has the full prefix length.
    :param key: the key, empty to delete it.
    :param family: of the socket. An IPv4 network on an IPv6 socket becomes v4-mapped, with the IPv4 prefix length,
        as the kernel wants it.
    :raises ValueError: the key is too long, or an IPv6 network is meant for an IPv4 socket.
    """
    if len(key) > MAX_KEY_BYTES:
        raise ValueError(f"a TCP-MD5 key of {len(key)} bytes; the kernel takes {MAX_KEY_BYTES}")
    single = network.prefixlen == network.max_prefixlen
    flags, prefix = (0, 0) if single else (TCP_MD5SIG_FLAG_PREFIX, network.prefixlen)
    tail = struct.pack(f"=BBHi{MAX_KEY_BYTES}s", flags, prefix, len(key), 0, key)
    address = _socket_address(network.network_address, family)
    return TCP_MD5SIG if single else TCP_MD5SIG_EXT, address.ljust(STORAGE_BYTES, b"\0") + tail


def _socket_address(address: IPv4Address | IPv6Address, family: int) -> bytes:
    if family == socket.AF_INET6:
        packed = MAPPED_PREFIX + address.packed if address.version == 4 else address.packed
        return struct.pack("=HHI16sI", family, 0, 0, packed, 0)
    if address.version == 6:
        raise ValueError("a key of an IPv6 network for an IPv4 socket")
    return struct.pack("=HH4s", family, 0, address.packed)
