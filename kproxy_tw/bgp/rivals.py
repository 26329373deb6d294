"""Second connections from one address: the same router again, or another one behind the same NAT address."""

from __future__ import annotations

from collections.abc import Sequence

from kproxy_tw.bgp.sessions import Session


def rivals(newcomer: Session, others: Sequence[Session]) -> list[Session]:
    """Choose those of ``others``, sessions of the newcomer's address, that may be of the same router.

    Routers differ when both have sent an OPEN and the BGP identifiers in them do: two routers with one identifier
    could not peer with the same neighbor anyway (RFC 4271 section 6.8).
    """
    return [other for other in others if not _differ(newcomer, other)]


def _differ(one: Session, other: Session) -> bool:
    if one.router is None or other.router is None:
        return False
    return one.router.router_id != other.router.router_id
