"""What every test runs under: the reactor as the daemons have it."""

from __future__ import annotations

import pytest

from kproxy_tw.commands.reactors import asyncio_reactor


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    """Give the reactor its monotonic clock before any test makes a timer; later it would confuse those there are."""
    asyncio_reactor()
