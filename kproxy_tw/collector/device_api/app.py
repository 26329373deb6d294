"""``/api/internal``: the device API, as agents know it."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from kproxy_tw.collector.answers import Refused, answer, answer_json, wants_pretty
from kproxy_tw.collector.bounded_json import dump_json_list, parse_json
from kproxy_tw.collector.devices import Device, DeviceDirectory
from kproxy_tw.collector.store import FlowStore
from kproxy_tw.errors import MalformedInput
from kproxy_tw.offload import Offload

MAX_DEVICE_BODY = 256 << 10
"""Bytes of the JSON that creates a device."""


class DeviceApi:
    """Handlers of the device API.

    :param store: keeps created devices.
    :param offload: runs blocking work away from the reactor.
    """

    log = Logger()

    def __init__(
        self,
        *,
        directory: DeviceDirectory,
        store: FlowStore,
        offload: Offload,
    ) -> None:
        self._directory = directory
        self._store = store
        self._offload = offload
        self._creating = DeferredLock()

    async def find(self, request: Any, key: str) -> bytes:
        """One device by id, address or name; an unknown address becomes a device where that is wanted."""
        device = self._directory.find(key) or await self._register(key)
        if device is None:
            raise Refused(404, "no such device")
        return answer_json(request, {"device": device.document})

    async def list(self, request: Any) -> bytes:
        """Every device."""
        documents = [device.document for device in self._directory.all()]
        pretty = wants_pretty(request)
        listed = await self._offload(lambda: dump_json_list(documents, pretty=pretty))
        return answer(request, b'{"devices":' + listed + b"}\n")

    async def create(self, request: Any) -> bytes:
        """Create a device from ``{"device": {...}}``; 201."""
        parsed = parse_json(request.content.getvalue(), limit=MAX_DEVICE_BODY)
        fields = parsed.get("device") if isinstance(parsed, dict) else None
        if not isinstance(fields, dict):
            raise MalformedInput('{"device": {...}} is expected')
        await self._creating.acquire()
        try:
            device = await self._keep(self._directory.draft(fields))
        finally:
            self._creating.release()
        return answer_json(request, {"device": device.document}, status=201)

    async def _register(self, key: str) -> Device | None:
        if not self._directory.auto_register:
            return None
        await self._creating.acquire()
        try:
            found = self._directory.find(key)
            draft = None if found else self._directory.draft_for(key)
            return found or (await self._keep(draft) if draft else None)
        except MalformedInput as error:
            self.log.warn("{key} is not registered: {error}", key=key, error=str(error))
            raise Refused(404, f"no such device, and it cannot be registered: {error}") from None
        finally:
            self._creating.release()

    async def _keep(self, device: Device) -> Device:
        document = json.dumps(device.document)
        await self._offload(lambda: self._store.keep_device(device.id, document))
        self._directory.add(device)
        self.log.info("device {id} ({name}) is created", id=device.id, name=device.name)
        return device
