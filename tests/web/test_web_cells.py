"""What a cell shows of a figure, and what it says when one points at it."""

from __future__ import annotations

import pytest

from kproxy_tw.web.tables.cells import shown
from kproxy_tw.web.tables.table import Column


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (17, "17 bit/s"),
        (16.933333333, '<span title="16.9333 bit/s">16.9 bit/s</span>'),
        (103.244444, '<span title="103.244 bit/s">103 bit/s</span>'),
        (1_234_567, '<span title="1,234,567 bit/s">1.23 Mbit/s</span>'),
    ],
)
def test_rates_in_bits_lose_nothing(value: float, cell: str) -> None:
    """Three digits, however small the rate, and the others when one points at it."""
    assert shown(Column(key="Average", title="Average", kind="bits"), value) == cell
