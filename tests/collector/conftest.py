"""Fixtures of the collector's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_twisted import blockon

if TYPE_CHECKING:
    from tests.collector.running import Running

DEVICES: list[dict[str, Any]] = [
    {"id": 101, "company_id": 1, "device_name": "edge", "sending_ips": ["192.0.2.1", "2001:db8::1"]},
    {"id": "102", "company_id": "1", "device_name": "core.two", "sending_ips": ["192.0.2.2"]},
]


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Running]:
    """A kcollect with two devices that registers unknown addresses."""
    # Imported here: klein installs a reactor when it is imported, and pytest-twisted must be the first to do so.
    from tests.collector.running import EMAIL, TOKEN, Running, device_file

    running = Running(
        tmp_path / "data",
        email=EMAIL,
        token=TOKEN,
        devices_file=device_file(tmp_path, DEVICES),
        auto_register=True,
    )
    running.service.startService()
    yield running
    blockon(running.service.stopService())
