"""The metadata that every stream is answered with first. Pure."""

from __future__ import annotations

import base64
import json
from email.utils import formatdate

from kproxy_tw.bgp.metadata import SESSION, Counts, Pairs, counts_pairs
from kproxy_tw.collector.bgp_target.tenants import OPENS, Tenant

PER_MINUTE = 2
"""How the rate limit's unit is written in its header."""

OK = 1


def response_headers(*, wall: float, request_id: str, tenant: Tenant, now: float, tls: bool) -> Pairs:
    """What all streams have.

    :param wall: seconds since 1970.
    :param now: monotonic seconds.
    """
    hsts = (("strict-transport-security", "max-age=31536000"),) if tls else ()
    return (
        ("date", formatdate(wall, usegmt=True)),
        ("server", "kcollect"),
        ("x-request-id", request_id),
        ("x-ratelimit-details", _rate_limit(tenant, now)),
        *hsts,
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-xss-protection", "1; mode=block"),
    )


def data_headers(shared: Pairs, session_id: str, counts: Counts) -> Pairs:
    """What a Data stream has beside that: its session, and how far this side has come."""
    return (*counts_pairs(counts), (SESSION, session_id), *shared)


def _rate_limit(tenant: Tenant, now: float) -> str:
    left, seconds = tenant.opens_left(now)
    status = {
        "code": OK,
        "current_limit": {"requests_per_unit": OPENS, "unit": PER_MINUTE},
        "limit_remaining": left,
        "duration_until_reset": {"seconds": int(seconds)},
    }
    text = json.dumps({"descriptor_statuses": [status]}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode().rstrip("=")
