"""DeviceStore: the last good device list on disk, for a start while the API is away.

The file holds no secrets: SNMP communities and users are left out, they come back with the next answer
of the API. Device objects are written in the API's own form and are read back with the same checks.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import gmtime, strftime, time

from twisted.logger import Logger

from kproxy_tw.devices.device import Device
from kproxy_tw.devices.parse import DeviceList, parse_device_list
from kproxy_tw.errors import MalformedInput, StoreError
from kproxy_tw.offload import Offload

FILE_NAME = "devices.json"
FORMAT = 1
MAX_BYTES = 64 << 20
"""A larger file was not written by us."""
DIRECTORY_MODE = 0o700
FILE_MODE = 0o600


def as_api_object(device: Device) -> dict[str, object]:
    """``device`` as the API would write it, without its secrets."""
    return {
        "id": str(device.device_id),
        "company_id": str(device.company_id),
        "device_name": device.name,
        "device_type": device.device_type,
        "device_subtype": device.subtype,
        "device_flow_type": device.flow_type,
        "device_status": "V" if device.enabled else "D",
        "device_sample_rate": str(device.sample_rate),
        "max_flow_rate": device.max_flow_rate,
        "plan": {"max_fps": device.plan_max_fps},
        "sending_ips": sorted(device.sending_addresses),
        "custom_column_data": [
            {"col_name": name, "field_id": str(number), "col_type": device.column_types.get(name, "")}
            for name, number in device.custom_columns.items()
        ],
        "device_snmp_ip": device.snmp_ip,
        "minimize_snmp": device.minimize_snmp,
    }


class DeviceStore:
    """One file in the state directory.

    :param directory: created, for its owner only, when it is not there.
    :param origin: which API and account the list is from (no secret); a list of another origin is not loaded.
    :param offload: where the disk is waited for.
    :param wall: seconds since 1970.
    """

    log = Logger()

    def __init__(self, directory: Path, *, origin: str, offload: Offload, wall: Callable[[], float] = time) -> None:
        self.path = directory / FILE_NAME
        self._origin = origin
        self._offload = offload
        self._wall = wall

    async def load(self) -> DeviceList | None:
        """The list saved last, or ``None`` when there is none of this origin. A damaged file is set aside.

        :raises StoreError: the file is there and cannot be read or set aside.
        """
        try:
            return await self._offload(self._read)
        except MalformedInput as problem:
            aside = await self._offload(partial(set_aside, self.path, self._wall()))
            self.log.warn(
                "the saved device list {path} is damaged ({problem}); it is now {aside}",
                path=str(self.path),
                problem=str(problem),
                aside=aside.name,
            )
            return None

    async def save(self, devices: Sequence[Device]) -> None:
        """Put ``devices`` in the place of what was saved, completely or not at all. :raises StoreError: disk."""
        await self._offload(partial(self._write, tuple(devices)))

    def _read(self) -> DeviceList | None:
        try:
            with self.path.open("rb") as file:
                body = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise StoreError(f"cannot read {self.path}: {problem.strerror}") from problem
        if len(body) > MAX_BYTES:
            raise MalformedInput(f"more than {MAX_BYTES} bytes")
        return self._parse(body)

    def _parse(self, body: bytes) -> DeviceList | None:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise MalformedInput("not JSON") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise MalformedInput(f"not of format {FORMAT}")
        return parse_device_list(document) if document.get("origin") == self._origin else None

    def _write(self, devices: Sequence[Device]) -> None:
        document = {
            "format": FORMAT,
            "origin": self._origin,
            "saved": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(self._wall())),
            "devices": [as_api_object(device) for device in devices],
        }
        try:
            self.path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            replace_file(self.path, json.dumps(document).encode())
        except OSError as problem:
            raise StoreError(f"cannot write {self.path}: {problem.strerror}; see -state_dir") from problem


def set_aside(path: Path, now: float) -> Path:
    """Give a damaged file another name, with the time in it. :raises StoreError: that cannot be done."""
    aside = path.with_name(path.name + strftime(".bad-%Y%m%dT%H%M%SZ", gmtime(now)))
    try:
        return path.rename(aside)
    except OSError as problem:
        raise StoreError(f"cannot rename {path} to {aside.name}: {problem.strerror}") from problem


def replace_file(path: Path, body: bytes) -> None:
    """Put ``body`` in the place of ``path``, completely or not at all, and wait for the disk. :raises OSError: disk."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.unlink(missing_ok=True)
    try:
        # O_EXCL: never through a link that somebody else put there.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
