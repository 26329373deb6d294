"""What is counted, under the names that the backend knows. Pure.

Per device the first four are the names of other agents; the others are our own, in the same style.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kproxy_tw.ledger import Ledger
from kproxy_tw.selfmetrics.meters import Series

DEVICE_COUNTERS: Mapping[str, Callable[[Ledger], int]] = {
    "proxy_Total": lambda ledger: ledger.records_received,
    "proxy_DownsampleFPS": lambda ledger: ledger.records_forwarded,
    "proxy_RateLimitDrops": lambda ledger: ledger.records_sampled_out,
    "proxy_BytesSent": lambda ledger: ledger.bytes_sent,
    "proxy_Drops": lambda ledger: ledger.records_dropped.total(),
    "proxy_SequenceGaps": lambda ledger: ledger.sequence_gaps,
    "proxy_Datagrams": lambda ledger: ledger.datagrams_received,
    "proxy_Retries": lambda ledger: ledger.messages_retried,
}
"""Name to counter: flows in, flows out, flows left out by the cap, bytes sent; flows lost, ..."""

FLOW_TYPES = {"netflow1": "v1", "netflow5": "v5", "netflow7": "v7", "netflow9": "v9"}
"""As metrics have always called them; the others are called as we do."""


def flow_type(types: Iterable[str]) -> str:
    """One name for what a device sends; ``proxy`` when it is not one thing."""
    found = {FLOW_TYPES.get(name, name) for name in types}
    return found.pop() if len(found) == 1 else "proxy"


def device_readings(company_id: int, device_id: int, types: Iterable[str], ledger: Ledger) -> dict[Series, int]:
    """A device's counters."""
    kind = flow_type(types)
    return {Series(name, company_id, device_id, kind): count(ledger) for name, count in DEVICE_COUNTERS.items()}
