"""Whether this process is in a container, and through which address everything comes into it.

A container behind a bridge may see that address in place of every exporter's (moby/libnetwork#1994).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

MARKS = (".dockerenv", "run/.containerenv")
"""Files that Docker and Podman leave in every container's root."""

KUBERNETES = "KUBERNETES_SERVICE_HOST"
"""Set in every pod."""

ROUTES = "proc/net/route"
ANY = "00000000"
MAX_ROUTES_BYTES = 1 << 16


def container_gateway(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> str:
    """The IPv4 default gateway of the container that we are in; empty outside of one, and where there is none."""
    if KUBERNETES not in environment and not any((root / mark).exists() for mark in MARKS):
        return ""
    try:
        with (root / ROUTES).open("r", encoding="ascii", errors="replace") as file:
            lines = file.read(MAX_ROUTES_BYTES).splitlines()[1:]
    except OSError:
        return ""
    for words in map(str.split, lines):
        if len(words) > 7 and words[1] == words[7] == ANY and words[2] != ANY:
            return _address(words[2])
    return ""


def _address(text: str) -> str:
    """The kernel prints the address as a number of its own byte order."""
    try:
        return socket.inet_ntoa(int(text, 16).to_bytes(4, sys.byteorder))
    except (ValueError, OverflowError):
        return ""
