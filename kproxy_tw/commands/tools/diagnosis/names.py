"""Names to addresses, by the system's resolver. Blocks."""

from __future__ import annotations

import socket


def addresses(host: str, port: int) -> list[str]:
    """Every address of a host. :raises OSError: the name is not known, or the resolver does not answer."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
