"""Device objects in the API's form, and coroutines run to their end, for the tests of the device registry."""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")

BASE = "https://api.example.net/api/internal"


def api_object(number: int, *addresses: str, **fields: Any) -> dict[str, Any]:
    """A device object as the public facts describe it: integers as texts where the API does so."""
    return {
        "id": str(number),
        "company_id": "77",
        "device_name": f"router_{number}",
        "device_status": "V",
        "device_sample_rate": "1",
        "sending_ips": list(addresses),
        **fields,
    }


def listing(*objects: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
    """A good answer to ``GET /devices``."""
    return 200, {}, json.dumps({"devices": objects}).encode()


def single(found: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
    """A good answer to ``GET /device/<ip>``."""
    return 200, {}, json.dumps({"device": found}).encode()


def result_of(flow: Coroutine[Any, Any, T]) -> T:
    """What a coroutine that waits for nothing returns or raises."""
    seen: list[T] = []
    failures: list[BaseException] = []
    Deferred.fromCoroutine(flow).addCallbacks(seen.append, lambda failure: failures.append(failure.value))
    if failures:
        raise failures[0]
    assert seen, "the coroutine waits for something"
    return seen[0]
