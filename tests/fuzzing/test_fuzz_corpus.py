"""What a fuzzer found once is tried again with every change; the fuzzer itself is ``make fuzz``."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzzing.seeds import SEEDS
from tests.fuzzing.targets import TARGETS

KEPT = Path(__file__).resolve().parents[1] / "data" / "fuzz"
MAX_KEPT = 64
MAX_BYTES = 2048


@pytest.mark.parametrize("name", TARGETS)
def test_the_kept_corpus_and_the_seeds(name: str) -> None:
    """Every input is taken, or is malformed; nothing else happens."""
    kept = sorted((KEPT / name).glob("*"))
    assert 0 < len(kept) <= MAX_KEPT
    for data in [*SEEDS[name](), *(file.read_bytes() for file in kept)]:
        assert len(data) <= MAX_BYTES
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_seeds(name: str) -> None:
    """Bytes changed, and the end cut off, at places that hypothesis chooses."""

    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from(list(SEEDS[name]())), st.data())
    def damaged(seed: bytes, draw: st.DataObject) -> None:
        changed = bytearray(seed)
        for place in draw.draw(st.lists(st.integers(0, len(seed) - 1), max_size=5)):
            changed[place] = draw.draw(st.integers(0, 255))
        TARGETS[name](bytes(changed[: draw.draw(st.integers(0, len(seed)))]))

    damaged()
