"""What interfaces are called, by what agents say of them. Pure; the store gives the rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from kproxy_tw.collector.snmp.figures import Row, described_name

MOST_DEVICES = 100
"""Of one page; interfaces of further ones go by their index. Each costs a few milliseconds."""


class DescribedInterfaces:
    """Names of interfaces by device id and index, for one page: a device is read once, when it is first asked about.

    :param described: the rows of ``SnmpStore.interfaces``; it blocks, and so does a call.
    """

    def __init__(self, described: Callable[[int], Sequence[Row]]) -> None:
        self._described = described
        self._documents: dict[int, dict[str, str]] = {}

    def __call__(self, device_id: int, index: int) -> str:
        """The name; empty where none is known. :raises StoreError: the store cannot be read."""
        if device_id not in self._documents:
            if len(self._documents) >= MOST_DEVICES:
                return ""
            rows = self._described(device_id)
            self._documents[device_id] = {key: document for key, _told, document in rows}
        document = self._documents[device_id].get(str(index))
        return "" if document is None else described_name(json.loads(document))
