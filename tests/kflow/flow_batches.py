"""Batches, schemas and messages for the kflow tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import capnp
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kproxy_tw.flowbatch import ADDRESSES, NUMBERS, TEXTS, Column, FlowBatch

SCHEMA = Path(__file__).parents[2] / "kproxy_tw" / "kflow" / "kflow.capnp"
COLUMN_IDS = {"small": 11, "ratio": 12, "label": 13, "large": 14, "peer": 15, "middle": 16, "tiny": 17}
CUSTOM_MEMBERS = {
    "small": "uint32Val",
    "ratio": "float32Val",
    "label": "strVal",
    "large": "uint64Val",
    "peer": "addrVal",
    "middle": "uint16Val",
    "tiny": "uint8Val",
}
_CUSTOM_TYPES = {"small": "u4", "ratio": "f4", "label": "S20", "large": "u8", "middle": "u2", "tiny": "u1"}


_PARSERS: list[Any] = []
"""A module's declarations are in its parser's memory, which the module does not keep."""


def compiled(path: Path = SCHEMA) -> Any:
    """A schema file, compiled apart from all others."""
    parser = capnp.SchemaParser()
    _PARSERS.append(parser)
    return parser.load(str(path))


def changed_schema(folder: Path, old: str, new: str) -> Any:
    """Our schema with one change in its text."""
    text = SCHEMA.read_text()
    assert old in text
    path = folder / "changed.capnp"
    path.write_text(text.replace(old, new))
    return compiled(path)


def schema_name(column: str) -> str:
    """``ipv4_src_addr`` as the schema spells it."""
    head, *rest = column.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _values(dtype: str, shape: int | tuple[int, ...]) -> st.SearchStrategy[Column]:
    if dtype.startswith("S"):
        text = st.text(alphabet="abc 65000é", max_size=int(dtype[1:]) // 2).map(lambda value: value.encode())
        return npst.arrays(dtype, shape, elements=text)
    elements = st.floats(width=32, allow_nan=False) if dtype == "f4" else None
    return npst.arrays(np.dtype(dtype), shape, elements=elements, fill=st.just(0))


@st.composite
def batches(draw: st.DrawFn) -> FlowBatch:
    """Any columns with any values; sample rates are whole hundredths, so that they come back as they are."""
    length = draw(st.integers(0, 12))
    names = draw(st.sets(st.sampled_from([*NUMBERS, *ADDRESSES, *TEXTS])))
    columns: dict[str, Column] = {}
    for name in sorted(names):
        if name == "sample_rate":
            columns[name] = draw(npst.arrays(np.uint32, length, elements=st.integers(1, 2**32 - 1))) / 100
        elif name in NUMBERS:
            columns[name] = draw(_values(NUMBERS[name].str, length))
        elif name in ADDRESSES:
            columns[name] = draw(_values("u1", (length, 16)))
        else:
            columns[name] = draw(_values("S30", length))
    custom = {name: draw(_values(dtype, length)) for name, dtype in _CUSTOM_TYPES.items() if draw(st.booleans())}
    if draw(st.booleans()):
        custom["peer"] = draw(_values("u1", (length, 17)))
    return FlowBatch(length=length, columns=columns, custom=custom)


def unpacked_as_is(words: bytes) -> bytes:
    """Words in packed form without any packing, each for itself."""
    return b"".join(b"\xff" + words[at : at + 8] + b"\x00" for at in range(0, len(words), 8))
