"""DeviceApi: asks the backend which devices there are.

Paths, answers and errors: the internal device API (``GET /devices``, ``GET /device/<ip>``); the session adds the
credentials, which never show in an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote

from kproxy_tw.devices.device import Device
from kproxy_tw.devices.parse import DeviceList, parse_device_answer, parse_device_list
from kproxy_tw.errors import MalformedInput, UpstreamError
from kproxy_tw.interfaces import Answer, UpstreamSession
from kproxy_tw.offload import Offload

LIST_BYTES = 32 << 20
LIST_SECONDS = 60.0
DEVICE_BYTES = 1 << 20
DEVICE_SECONDS = 15.0
CREDENTIALS_WAIT_SECONDS = 60.0
"""Credentials that were refused are tried again once a minute."""
MAX_WAIT_SECONDS = 600.0
"""Longest ``Retry-After`` that is honoured."""

Parsed = TypeVar("Parsed")


class ApiRefused(UpstreamError):
    """The API answered, but not with what was asked for.

    :ivar status: its HTTP status.
    :ivar wait_seconds: the least time to wait before asking again.
    """

    def __init__(self, problem: str, status: int, wait_seconds: float = 0.0) -> None:
        super().__init__(problem)
        self.status = status
        self.wait_seconds = wait_seconds

    @property
    def credentials(self) -> bool:
        """Whether it was the credentials that were refused."""
        return self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class DeviceApi:
    """The device API under ``base_url``.

    :param session: carries the requests.
    :param base_url: for example ``https://api.kentik.com/api/internal``.
    :param offload: large answers are parsed there.
    :ivar last_status: HTTP status of the last answer, 0 before the first.
    """

    def __init__(self, session: UpstreamSession, base_url: str, *, offload: Offload) -> None:
        self._session = session
        self._offload = offload
        self.base_url = base_url.rstrip("/")
        self.last_status = 0

    async def all_devices(self) -> DeviceList:
        """Every device of the account.

        :raises UpstreamError: no usable answer; :exc:`ApiRefused` when it has another status than 200.
        :raises MalformedInput: the answer is no device list.
        """
        answer = await self._get("/devices", LIST_SECONDS, LIST_BYTES)
        return await self._offload(partial(_parse, answer.body, parse_device_list))

    async def device(self, address: str) -> Device | None:
        """The device that sends from ``address``, or ``None`` when the API knows none.

        :raises UpstreamError: no usable answer; :exc:`ApiRefused` when it has another status than 200 or 404.
        :raises MalformedInput: the answer is no device.
        """
        path = "/device/" + quote(address, safe="")
        answer = await self._get(path, DEVICE_SECONDS, DEVICE_BYTES, missing_is_fine=True)
        return None if answer.status == HTTPStatus.NOT_FOUND else _parse(answer.body, parse_device_answer)

    async def _get(self, path: str, seconds: float, limit: int, *, missing_is_fine: bool = False) -> Answer:
        answer = await self._session.request("GET", self.base_url + path, seconds=seconds, limit=limit)
        self.last_status = answer.status
        if answer.status != HTTPStatus.OK and not (missing_is_fine and answer.status == HTTPStatus.NOT_FOUND):
            raise self._refusal(answer, path)
        return answer

    def _refusal(self, answer: Answer, path: str) -> ApiRefused:
        # What the body says stays out: a broken or hostile server may send our own headers back.
        status, url = answer.status, self.base_url + path
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            problem = (
                f"{url}: the credentials were refused (HTTP {status}); check -api_email and -api_token"
                " (or KENTIK_API_EMAIL and KENTIK_API_TOKEN), and that -region is the account's"
            )
            return ApiRefused(problem, status, CREDENTIALS_WAIT_SECONDS)
        if status == HTTPStatus.NOT_FOUND:
            return ApiRefused(f"{url}: there is no device API (HTTP 404); check -api and -region", status)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            return ApiRefused(f"{url}: redirected (HTTP {status}), which is not followed; check -api", status)
        return ApiRefused(f"{url}: HTTP {status}", status, _retry_after(answer))


def _retry_after(answer: Answer) -> float:
    # RFC 9110 section 10.2.3; the form with a date is not used by APIs of this kind.
    text = answer.headers.get("retry-after", "").strip()
    return min(float(text), MAX_WAIT_SECONDS) if text.isascii() and text.isdigit() else 0.0


def _parse(body: bytes, reader: Callable[[object], Parsed]) -> Parsed:
    try:
        return reader(json.loads(body, object_hook=_as_is))
    except (ValueError, RecursionError):
        raise MalformedInput(f"the answer ({len(body)} bytes) is not JSON") from None


def _as_is(found: dict[str, object]) -> dict[str, object]:
    # A Python function at every object lets the interpreter pass its lock on while the C parser is at
    # work in a thread; without it a large list stops the reactor until it is parsed.
    return found
