"""Engines of version 3 over restarts: kept, or discovered anew, but never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kproxy_tw.errors import StoreError
from kproxy_tw.snmp.agents import KnownAgent
from kproxy_tw.snmp.store import FILE, AgentStore

ENGINES = {
    ("192.0.2.1", 161): KnownAgent(bytes.fromhex("80001f8880"), 3, 1_700_000_000.0),
    ("2001:db8::1", 1161): KnownAgent(bytes(32), 0x7FFFFFFF, 0.0),
}


def test_there_and_back(tmp_path: Path) -> None:
    """What is kept is what is loaded; nothing is there at first."""
    store = AgentStore(tmp_path / "state")
    assert store.load() == {}
    store.save(ENGINES)
    assert store.load() == ENGINES
    assert [path.name for path in (tmp_path / "state").iterdir()] == [FILE]


ROWS = (
    '[["a", 1, "80", 1, 1]]',
    '[["a", "x", "80", 1, 1]]',
    '[["a", 1, "zz", 1, 1]]',
    '[["a", 1, "80", null, 1]]',
    "[[]]",
    "[7]",
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80) | st.sampled_from(ROWS).map(str.encode))
def test_any_file(tmp_path: Path, content: bytes) -> None:
    """A file that is not ours holds nothing."""
    (tmp_path / FILE).write_bytes(content)
    assert len(AgentStore(tmp_path).load()) <= 1


def test_a_disk_that_says_no(tmp_path: Path) -> None:
    """It is told, for the log."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"snmp-engines\.json"):
        AgentStore(tmp_path / "file" / "below").save(ENGINES)
