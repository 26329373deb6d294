"""What is done with sockets that systemd passes; the sockets themselves are tested in tests/interop."""

from __future__ import annotations

import os

import pytest

from kproxy_tw.errors import ConfigError
from kproxy_tw.listen.activation import MAX_SOCKETS, Inherited, inherited_sockets


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LISTEN_FDS": "2", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "2"},
        {"LISTEN_FDS": "two", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_nothing_that_is_meant_for_us(environment: dict[str, str]) -> None:
    """None, for another process, or no number; children do not see the variables."""
    assert inherited_sockets(environment) == Inherited()
    assert environment == {}


def test_more_than_anybody_needs_is_refused() -> None:
    """Before any of them is touched."""
    with pytest.raises(ConfigError, match="65 sockets"):
        inherited_sockets({"LISTEN_FDS": str(MAX_SOCKETS + 1), "LISTEN_PID": str(os.getpid())})
