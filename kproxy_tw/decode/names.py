"""Names from option data for each flow: application, VRFs, interfaces, as custom columns of the device.

Source of the keys: applicationId (RFC 6759), ingressVRFID and egressVRFID, the interfaces of the flow.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from kproxy_tw.decode.custom import folded
from kproxy_tw.decode.optiondata.domain import Names, NameTable
from kproxy_tw.flowbatch import Column, FlowBatch

NAME_COLUMNS: Mapping[str, tuple[str, NameTable]] = {
    "application_name": ("application_id", "applications"),
    "ingress_vrf_name": ("ingress_vrf", "vrfs"),
    "egress_vrf_name": ("egress_vrf", "vrfs"),
    "input_interface_name": ("input_port", "interfaces"),
    "output_interface_name": ("output_port", "interfaces"),
}
"""Custom column to the column of its keys and the table that they are looked up in."""

MAX_NAME_BYTES = 255


def add_names(batch: FlowBatch, wanted: Collection[str]) -> None:
    """Fill custom columns with names from the option tables of the flows' domains.

    :param wanted: folded names of the device's custom columns; only these are worked out.
    """
    if not wanted or not any(batch.domains):
        return
    for name, (key, table) in NAME_COLUMNS.items():
        keys = batch.side.get(key, batch.columns.get(key))
        if folded(name) in wanted and keys is not None and name not in batch.custom:
            named = _named(batch, keys, [domain.names(table) for domain in batch.domains])
            if named is not None:
                batch.custom[name] = named


def _named(batch: FlowBatch, keys: Column, tables: list[Mapping[int, Names]]) -> Column | None:
    """A text for each flow, empty where its key is not in the table of its domain; ``None`` when all are empty."""
    owners = batch.side.get("domain")
    result: Column | None = None
    for number, table in enumerate(tables):
        if not table:
            continue
        rows: Column | slice = slice(None) if owners is None else np.flatnonzero(owners == number)
        wanted = keys[rows]
        different = sorted(set(wanted.tolist()))
        texts = [_text(table.get(key, ("", ""))) for key in different]
        if not any(texts):
            continue
        found = np.array(texts, np.bytes_)[np.searchsorted(np.array(different, wanted.dtype), wanted)]
        if result is None:
            result = np.zeros(batch.length, f"S{MAX_NAME_BYTES}" if len(tables) > 1 else found.dtype)
        result[rows] = found
    return result


def _text(names: Names) -> bytes:
    """The name, or the description where that is all that is told; no half character at the end."""
    name, description = names
    return (name or description).encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore").encode()
