"""How TCP-MD5 is set up."""

from __future__ import annotations

import attrs

ANY_INTERFACE = "any"
"""The documented name for watching all interfaces."""


@attrs.frozen(kw_only=True)
class Md5Config:
    """What ``--enable-md5-support`` works with.

    :ivar interface: network interface on which SYNs are watched; ``any`` for all of them.
    :ivar ports: TCP ports of the listeners.
    """

    interface: str = ANY_INTERFACE
    ports: tuple[int, ...] = (179,)
