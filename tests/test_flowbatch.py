"""The columns."""

from __future__ import annotations

import numpy as np
import pytest

from kproxy_tw.flowbatch import ADDRESSES, NUMBERS, TEXTS, FlowBatch


def test_absent_columns_are_zeros_of_their_shape() -> None:
    """A column nobody filled still has the right dtype and shape."""
    batch = FlowBatch(3)
    assert batch.column("in_bytes").tolist() == [0, 0, 0]
    assert batch.column("in_bytes").dtype == np.uint64
    assert batch.column("ipv6_src_addr").shape == (3, 16)
    assert batch.column("dst_bgp_as_path").tolist() == [b"", b"", b""]


def test_an_unknown_column_is_a_bug() -> None:
    """Typing errors in column names do not read as zeros."""
    with pytest.raises(KeyError, match="in_octets"):
        FlowBatch(1).column("in_octets")


def test_no_column_has_two_kinds() -> None:
    """Numbers, addresses and texts are disjoint."""
    names = [*NUMBERS, *ADDRESSES, *TEXTS]
    assert len(names) == len(set(names))


def test_concatenation_keeps_order_and_fills_gaps() -> None:
    """Columns that only one batch has are zero for the flows of the other."""
    first = FlowBatch(1, {"in_bytes": np.array([5], "u8")}, {"APP": np.array([9], "u4")}, rate_origin="header")
    second = FlowBatch(
        2,
        {"in_pkts": np.array([1, 2], "u8"), "dst_bgp_as_path": np.array([b"64496 1", b""])},
        rate_origin="record",
    )
    both = FlowBatch.concatenate([first, second])
    assert both.length == 3
    assert both.column("in_bytes").tolist() == [5, 0, 0]
    assert both.column("in_pkts").tolist() == [0, 1, 2]
    assert both.column("dst_bgp_as_path").tolist() == [b"", b"64496 1", b""]
    assert both.custom["APP"].tolist() == [9, 0, 0]
    assert both.rate_origin == "record"
