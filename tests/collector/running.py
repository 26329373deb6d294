"""A real kcollect on a loopback port, and a client for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import treq
from treq.client import HTTPClient
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers

import attrs

from kproxy_tw.collector.config import CollectorConfig
from kproxy_tw.collector.service import CollectorService

EMAIL = "agent@example.com"
TOKEN = "s3cret-token"
HEADERS = {"X-CH-Auth-Email": EMAIL, "X-CH-Auth-API-Token": TOKEN}
SECONDS = 20


@attrs.frozen
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Running:
    """One kcollect; its configuration can be changed by keywords."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.config = CollectorConfig(port=0, data_dir=data_dir, **settings)
        self.service = CollectorService(self.config, reactor)
        self._client = HTTPClient(Agent(reactor, pool=HTTPConnectionPool(self.reactor, persistent=False)))

    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = HEADERS
    ) -> Answer:
        """Send one request and read the answer."""
        url = f"http://127.0.0.1:{self.service.port}{path}"
        sent = Headers({name: [value] for name, value in headers.items()})
        answer = await self._client.request(method, url, data=body, headers=sent, timeout=SECONDS)
        content = await treq.content(answer)
        found = {name.decode().lower(): values[-1].decode() for name, values in answer.headers.getAllRawHeaders()}
        return Answer(answer.code, content, found)

    async def get(self, path: str) -> Answer:
        """GET without credentials."""
        return await self.request("GET", path, headers={})

    async def post_flows(
        self,
        body: bytes,
        sender: str = "1:edge:101",
        sid: str = "0",
        encoding: str = "gzip",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST a body to /chf."""
        extra = ({"Content-Encoding": encoding} if encoding else {}) | dict(headers or {})
        return await self.request("POST", f"/chf?sid={sid}&sender_id={sender}", body, {**HEADERS, **extra})


def device_file(directory: Path, devices: Sequence[Mapping[str, Any]]) -> Path:
    """A ``-devices`` file."""
    path = directory / "devices.json"
    path.write_text(json.dumps({"devices": devices}))
    return path
