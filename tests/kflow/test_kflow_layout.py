"""The table of fields against the compiled schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kproxy_tw.flowbatch import ADDRESSES, NUMBERS, TEXTS
from kproxy_tw.kflow.layout import (
    CUSTOM_DATA_WORDS,
    CUSTOM_KINDS,
    CUSTOM_POINTER_WORDS,
    DATA_WORDS,
    FIELDS,
    FLAG_BIG,
    FLAG_METRIC,
    FLAG_SAMPLE_ADJUSTED,
    POINTER_WORDS,
    POINTERS,
    row_dtype,
)
from tests.kflow import flow_batches

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "kflow.capnp"
SIZES = {"uint8": 1, "uint32": 4, "uint64": 8, "int64": 8}


def struct_of(schema: Any) -> Any:
    """The compiler's description of a struct."""
    return schema.schema.node.struct


def slots(schema: Any) -> dict[str, tuple[str, int]]:
    """Field name to type and offset, the offset in units of the type's size, pointers and bits counted."""
    return {field.name: (str(field.slot.type.which()), field.slot.offset) for field in struct_of(schema).fields}


def test_numbers_stand_where_the_schema_compiler_puts_them() -> None:
    """Byte offsets and widths of the data section equal those of the compiled schema, none is missing."""
    compiled = slots(flow_batches.compiled().CHF)
    expected = {name: (offset * SIZES[kind], SIZES[kind]) for name, (kind, offset) in compiled.items() if kind in SIZES}
    ours = {field.name: (field.offset, int(field.code[-1])) for field in FIELDS if "," not in field.name}
    assert ours == expected


def test_defaults_equal_those_of_the_schema() -> None:
    """What an absent field reads as: zero, but for appProtocol."""
    fields = {field.name: field.slot for field in struct_of(flow_batches.compiled().CHF).fields}
    for field in FIELDS:
        if "," not in field.name:
            assert getattr(fields[field.name].defaultValue, str(fields[field.name].type.which())) == field.default


def test_pointers_have_the_index_that_the_schema_compiler_gives_them() -> None:
    """Index and kind of each pointer equal those of the compiled schema."""
    compiled = slots(flow_batches.compiled().CHF)
    expected = {name: (kind, offset) for name, (kind, offset) in compiled.items() if kind in {"text", "data", "list"}}
    assert {pointer.name: (pointer.kind, pointer.index) for pointer in POINTERS} == expected


def test_flags_are_bits_of_byte_172() -> None:
    """The three booleans share the flags byte."""
    compiled = slots(flow_batches.compiled().CHF)
    base = row_dtype().fields
    assert base is not None
    first = base["flags"][1] * 8
    assert {name: offset - first for name, (kind, offset) in compiled.items() if kind == "bool"} == {
        "big": FLAG_BIG.bit_length() - 1,
        "sampleAdj": FLAG_SAMPLE_ADJUSTED.bit_length() - 1,
        "isMetric": FLAG_METRIC.bit_length() - 1,
    }


def test_struct_sizes_equal_the_compiled_ones() -> None:
    """A flow has 29 + 14 words, a custom value 3 + 1."""
    module = flow_batches.compiled()
    flow, custom = struct_of(module.CHF), struct_of(module.Custom)
    assert (flow.dataWordCount, flow.pointerCount) == (DATA_WORDS, POINTER_WORDS) == (29, 14)
    assert (custom.dataWordCount, custom.pointerCount) == (CUSTOM_DATA_WORDS, CUSTOM_POINTER_WORDS) == (3, 1)
    assert row_dtype().itemsize == 344


def test_each_column_of_a_batch_has_its_field() -> None:
    """Column names are the schema's names in snake case, so nothing that a batch has is left out."""
    names = {field.column: field.name for field in FIELDS} | {pointer.column: pointer.name for pointer in POINTERS}
    for column in (*NUMBERS, *ADDRESSES, *TEXTS):
        if column not in {"big", "is_metric"}:
            assert names[column] == flow_batches.schema_name(column)


def test_custom_kinds_are_in_the_order_of_the_discriminants() -> None:
    """The number of a kind is its discriminant in the schema."""
    group = next(field for field in struct_of(flow_batches.compiled().Custom).fields if field.name == "value")
    union = flow_batches.compiled().Custom.schema.fields["value"].schema.node
    names = {field.name: field.discriminantValue for field in union.struct.fields}
    assert group.which() == "group"
    assert names == {member: names[member] for member in flow_batches.CUSTOM_MEMBERS.values()}
    assert [CUSTOM_KINDS[names[member]] for member in flow_batches.CUSTOM_MEMBERS.values()] == [
        "<u4", "<f4", "S", "<u8", "address", "<u2", "u1",
    ]  # fmt: skip


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference schema is not beside this checkout")
@pytest.mark.parametrize("name", ["CHF", "Custom", "PackedCHF"])
def test_our_schema_declares_what_the_reference_declares(name: str) -> None:
    """Ids, sizes, ordinals, offsets and defaults of each struct are identical in both files."""
    ours, theirs = getattr(flow_batches.compiled(), name), getattr(flow_batches.compiled(REFERENCE), name)
    assert ours.schema.node.id == theirs.schema.node.id
    assert str(struct_of(ours)) == str(struct_of(theirs))
