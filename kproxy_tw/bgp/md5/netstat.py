"""The kernel's own counters of segments dropped for their signature."""

from __future__ import annotations

import attrs

NETSTAT = "/proc/self/net/netstat"
"""Not below ``/proc/net``, which a hardened service does not see (``ProcSubset=pid``)."""

GROUP = "TcpExt:"


@attrs.frozen(kw_only=True)
class Md5Counters:
    """Segments of this network namespace that the kernel dropped, since it was made.

    :ivar not_found: unsigned although there is a key.
    :ivar unexpected: signed although there is no key.
    :ivar failure: signed with another key.
    """

    not_found: int = 0
    unexpected: int = 0
    failure: int = 0


def parse_netstat(text: str) -> Md5Counters | None:
    """Read its text; ``None`` when it does not have them."""
    lines = [line.split() for line in text.splitlines() if line.startswith(GROUP)]
    if len(lines) != 2:
        return None
    figures = dict(zip(*lines, strict=False))
    try:
        return Md5Counters(
            not_found=int(figures["TCPMD5NotFound"]),
            unexpected=int(figures["TCPMD5Unexpected"]),
            failure=int(figures["TCPMD5Failure"]),
        )
    except (KeyError, ValueError):
        return None
