"""What every test runs under: the reactor as the daemons have it."""

from __future__ import annotations

import pytest

from kproxy_tw.commands.reactors import asyncio_reactor


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Install it, with its monotonic clock, before pytest-twisted would install another one of its kind."""
    asyncio_reactor()
