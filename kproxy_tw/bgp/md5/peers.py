"""What was last seen of each router's signature, for the page and JSON."""

from __future__ import annotations

from collections import OrderedDict

import attrs

from kproxy_tw.bgp.md5.netstat import Md5Counters
from kproxy_tw.bgp.md5.verdict import Verdict

MOST_PEERS = 1024


@attrs.frozen(kw_only=True)
class SeenPeer:
    """One router. ``seen``: seconds since 1970; ``attempts``: SYNs with this verdict in a row."""

    address: str
    verdict: Verdict
    seen: float
    attempts: int


@attrs.frozen(kw_only=True)
class Md5Status:
    """TCP-MD5 as a whole. Holds no key.

    :ivar capturing: SYNs are being watched; without it keys come only by replies that the backend sends unasked.
    :ivar pid: of the capturing process, 0 when there is none.
    :ivar restarts: of that process.
    :ivar networks: addresses and prefixes with a key on the listeners.
    :ivar shed: SYNs and questions left out because too many came.
    :ivar problem: what stands in the way, empty when nothing does.
    :ivar kernel: the kernel's counters; ``None`` where they cannot be read.
    """

    interface: str
    capturing: bool
    pid: int
    restarts: int
    networks: tuple[str, ...]
    waiting: int
    syns: int
    shed: int
    malformed: int
    kernel_drops: int
    problem: str
    tcp_ao: bool
    peers: tuple[SeenPeer, ...]
    kernel: Md5Counters | None


class Peers:
    """The routers seen last."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, SeenPeer] = OrderedDict()

    def note(self, address: str, verdict: Verdict, now: float) -> None:
        """A SYN of ``address`` was judged."""
        before = self._seen.pop(address, None)
        attempts = before.attempts + 1 if before is not None and before.verdict is verdict else 1
        self._seen[address] = SeenPeer(address=address, verdict=verdict, seen=now, attempts=attempts)
        if len(self._seen) > MOST_PEERS:
            self._seen.popitem(last=False)

    def again(self, address: str, now: float) -> None:
        """One more SYN like the last one of ``address``."""
        before = self._seen.get(address)
        if before is not None:
            self.note(address, before.verdict, now)

    def listed(self) -> tuple[SeenPeer, ...]:
        """All of them, the one seen last at the end."""
        return tuple(self._seen.values())
