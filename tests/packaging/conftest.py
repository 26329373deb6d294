"""What the tests of packages share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.packaging import roots


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the packages, or take those that ``KPROXY_TW_DEBS`` names."""
    built = os.environ.get("KPROXY_TW_DEBS")
    return Path(built) if built else roots.build(tmp_path_factory.mktemp("debs"))
