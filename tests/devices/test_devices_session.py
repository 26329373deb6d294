"""What is remembered of an exporter address."""

from __future__ import annotations

from kproxy_tw.decode.templates import TemplateCache
from kproxy_tw.devices.session import ExporterSession


def test_hears_datagrams() -> None:
    """A session counts its datagrams, keeps the last time, and every protocol it has heard."""
    session = ExporterSession(address="10.0.0.1", templates=TemplateCache(), first_seen=5.0)
    session.heard(["netflow9"], 1, 5.0)
    session.heard(["sflow", "netflow9"], 4, 7.5)
    assert (session.datagrams, session.first_seen, session.last_seen) == (5, 5.0, 7.5)
    assert session.flow_types == {"netflow9", "sflow"}
