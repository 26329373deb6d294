"""Upstream: every backend address with its state, what waits for it, and the clock."""

from __future__ import annotations

from collections.abc import Mapping

from kproxy_tw.status import DaemonStatus, EndpointStatus
from kproxy_tw.upstream.expiry import WARN_DAYS
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.snapshot import Snapshot
from kproxy_tw.web.tables.table import Cell, Facts, Row, Table, Tone, columns, facts
from kproxy_tw.web.text import si_number

MOST_OFFSET_SECONDS = 60.0
"""The backend wants a clock that is right to within a minute."""

DAY = 86_400

NOT_KNOWN = "no device has the address"
"""What the device list means by 404: it was asked whose an unregistered source is."""


def content(snapshot: Snapshot) -> PageContent:
    """Everything that the page shows."""
    daemon = snapshot.daemon
    return PageContent(
        template="upstream.html",
        tables=(_endpoints(daemon),),
        facts=(_delivery(daemon),),
        values={"daemon": daemon},
    )


def _endpoints(daemon: DaemonStatus) -> Table:
    return Table(
        name="endpoints",
        key="Upstream",
        title="Addresses",
        columns=columns(
            ("URL", "Address"),
            ("State", "State", "state"),
            ("LastStatus", "Last status", "text", "HTTP status of the last answer"),
            ("LatencyMs", "Latency, ms", "number", "Of the last answer"),
            ("RetryInMs", "Next try in, ms", "number"),
            ("CertificateExpires", "Certificate", "time", "Until when the server's certificate is valid"),
            ("LastError", "Last error"),
        ),
        rows=[_endpoint(endpoint, daemon.now) for endpoint in daemon.upstream],
        now=daemon.now,
        empty="No address is set.",
    )


def _endpoint(endpoint: EndpointStatus, now: float) -> Row:
    word, tone = _state(endpoint)
    expires, problem = endpoint.certificate_expires, endpoint.last_error
    days = None if expires is None else (expires - now) / DAY
    return (
        Cell(endpoint.url, under=endpoint.purpose),
        Cell(word, tone=tone),
        Cell(endpoint.last_status or None, under=NOT_KNOWN if endpoint.last_status == 404 and not problem else ""),
        endpoint.latency_ms,
        endpoint.retry_in_ms or None,
        None if days is None else Cell(expires, under=f"{days:.0f} days left", tone="bad" if days < WARN_DAYS else ""),
        problem,
    )


def _state(endpoint: EndpointStatus) -> tuple[str, Tone]:
    if endpoint.connected:
        return ("refused", "bad") if endpoint.last_error else ("connected", "on")
    return ("away", "bad") if endpoint.last_error else ("not used yet", "wait")


def _reasons(dropped: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in dropped.items() if count)


def _delivery(daemon: DaemonStatus) -> Facts:
    totals, spool, offset = daemon.totals, daemon.spool, daemon.clock_offset
    wrong = offset is not None and abs(offset) > MOST_OFFSET_SECONDS
    side = "" if offset is None or abs(offset) < 1 else "ahead" if offset > 0 else "behind"
    seconds = daemon.lately_seconds
    items = facts(
        (totals.messages_sent, "MessagesSent", "Messages delivered", "count"),
        (totals.messages_retried, "MessagesRetried", "Attempts repeated", "count"),
        (
            Cell(totals.messages_dropped.total(), under=_reasons(totals.messages_dropped)),
            "MessagesDropped",
            "Messages dropped",
            "count",
            "Given up before the backend took them, by reason; beside what it has refused",
        ),
        (totals.bytes_sent, "BytesSent", "Bytes delivered", "bytes"),
        (
            daemon.lately.bytes_sent / seconds if seconds else None,
            "BytesPerSecond",
            "Bytes per second",
            "bytes",
            "In the last minute",
        ),
        (spool.get("Messages", 0), "MessagesWaiting", "Messages waiting", "count"),
        (
            Cell(spool.get("Bytes", 0), under=f"of {si_number(spool.get('MaxBytes', 0), 'B')}"),
            "BytesWaiting",
            "Bytes waiting",
            "bytes",
        ),
        (
            spool.get("OldestMs", 0) / 1000,
            "OldestSeconds",
            "The oldest waits, at most",
            "seconds",
            "On disk: by the age of its file",
        ),
        (
            spool.get("CrashGap", 0),
            "CrashGap",
            "Lost at the last start",
            "count",
            "Flows at most that the run before this one had in memory alone, if it did not end in order; beside those"
            " of its last half second",
        ),
        (
            None if offset is None else Cell(round(offset, 1), under=side, tone="bad" if wrong else ""),
            "ClockOffsetSeconds",
            "Clock, seconds",
            "number",
            "This machine's clock against the backend's, by the date of its answers; at most a minute is allowed",
        ),
    )
    return Facts(name="delivery", key="Delivery", title="Delivery", items=tuple(items), now=daemon.now)
