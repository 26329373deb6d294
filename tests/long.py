"""Tests that take minutes: ``make test-long`` runs them, too."""

from __future__ import annotations

import os

import pytest

LONG = pytest.mark.skipif("KPROXY_TW_LONG" not in os.environ, reason="NOT TESTED here, takes minutes: make test-long")
