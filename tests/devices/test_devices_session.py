"""What is remembered of an exporter."""

from __future__ import annotations

from kproxy_tw.decode.dispatch import walk
from kproxy_tw.decode.templates.cache import TemplateCache
from kproxy_tw.devices.session import MAX_PORTS, ExporterSession
from tests.decode.netflow_bytes import NOW_NS, a_set, template, v9


def new_session() -> ExporterSession:
    """A session of 10.0.0.1."""
    return ExporterSession(address="10.0.0.1", templates=TemplateCache(), first_seen=5.0)


def test_hears_datagrams() -> None:
    """A session counts its datagrams, keeps the last time, and every protocol it has heard."""
    session = new_session()
    session.heard(["netflow9"], 1, 5.0)
    session.heard(["sflow", "netflow9"], 4, 7.5)
    assert (session.datagrams, session.first_seen, session.last_seen) == (5, 5.0, 7.5)
    assert session.flow_types == {"netflow9", "sflow"}
    assert session.key == "10.0.0.1"


def test_ports_are_bounded() -> None:
    """The port that has been silent longest makes room."""
    session = new_session()
    for port in range(1000, 1000 + MAX_PORTS):
        session.heard([], 1, 5.0, port)
    session.heard([], 1, 6.0, 1000)
    session.heard([], 1, 7.0, 2000)
    assert len(session.ports) == MAX_PORTS
    assert 1001 not in session.ports
    assert (session.ports[1000], session.ports[2000]) == (6.0, 7.0)


def test_missing_templates_are_told_in_the_known_words() -> None:
    """``no template for 256``, with the domain; long lists are cut."""
    session = new_session()
    assert session.missing_templates() == (
        "no template for data sets from 10.0.0.1, and no room to keep them until it comes"
    )
    walk(v9(a_set(256, b"abcd"), a_set(256, b"abcd")), session.templates, NOW_NS)
    expected = "no template for 256 (domain 1): 2 data sets from 10.0.0.1 kept until it comes"
    assert session.missing_templates() == expected
    for number in range(257, 263):
        walk(v9(a_set(number, b"abcd")), session.templates, NOW_NS)
    assert "260 (domain 1) and 2 more: 8 data sets" in session.missing_templates()


def test_changes_count_templates_and_option_rows() -> None:
    """A refresh is no change: nothing has to be saved for it."""
    session = new_session()
    shape = v9(a_set(0, template(256, (8, 4), (1, 4))))
    walk(shape, session.templates, NOW_NS)
    before = session.changes()
    walk(shape, session.templates, NOW_NS)
    assert session.changes() == before
    session.templates.store.domains[9, 1].put_names("vrfs", 1, ("RED", ""))
    assert session.changes() == before + 1
