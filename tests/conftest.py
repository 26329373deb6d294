"""What every test runs under: the reactor as the daemons have it."""

from __future__ import annotations

import pytest

from kproxy_tw.commands.reactors import asyncio_reactor


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Install it, with its monotonic clock, before pytest-twisted would install another one of its kind."""
    asyncio_reactor()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Packages first: what takes longest begins while there is other work beside it."""
    items.sort(key=lambda item: "packaging" not in item.path.parts)
