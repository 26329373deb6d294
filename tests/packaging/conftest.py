"""What the tests of packages share."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.packaging import roots


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the packages, once for all test processes, or take those that ``KPROXY_TW_DEBS`` names."""
    built = os.environ.get("KPROXY_TW_DEBS")
    if built:
        return Path(built)
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with (folder / "debs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "debs").exists():
            roots.build(folder / "debs.building").rename(folder / "debs")
    return folder / "debs"
