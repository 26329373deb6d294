"""What every test runs under: the reactor as the daemons have it."""

from __future__ import annotations

import pytest

from kproxy_tw.commands.reactors import asyncio_reactor


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Install it, with its monotonic clock, before pytest-twisted would install another one of its kind."""
    asyncio_reactor()


BEGUN_FIRST = ("packaging/test_packaging.py", "packaging/test_debian_packages.py", "interop/", "packaging/", "browser/")
"""Below ``tests/``, the longest first: at the end, no process has minutes to go when the others are done. Most of
``packaging/`` needs what ``test_debian_packages.py`` builds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests; processes take them file by file from the beginning."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    path = item.nodeid.removeprefix("tests/")
    return next((rank for rank, begin in enumerate(BEGUN_FIRST) if path.startswith(begin)), len(BEGUN_FIRST))
