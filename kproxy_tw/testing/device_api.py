"""LoopbackDeviceApi: a small real HTTP server that answers as the device API does, for tests."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from klein import Klein
from twisted.internet.defer import maybeDeferred
from twisted.web.iweb import IRequest
from twisted.web.server import Site

BASE_PATH = "/api/internal"


class LoopbackDeviceApi:
    """Serves ``GET /devices`` and ``GET /device/<ip>`` on a free port of 127.0.0.1.

    :ivar devices: the device objects that it knows, in the API's form; may be changed at any time.
    :ivar status: when set, every request is answered with it and an error body.
    :ivar asked: path of each request, as it came in.
    """

    app = Klein()

    def __init__(self) -> None:
        self.devices: list[dict[str, Any]] = []
        self.status: HTTPStatus | None = None
        self.asked: list[str] = []
        self._port: Any = None

    def start(self, reactor: Any) -> str:
        """Listen; gives the base URL."""
        self._port = reactor.listenTCP(0, Site(self.app.resource()), interface="127.0.0.1")
        return f"http://127.0.0.1:{self._port.getHost().port}{BASE_PATH}"

    async def stop(self) -> None:
        """Listen no longer."""
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)

    @app.route(BASE_PATH + "/devices")
    def all_devices(self, request: IRequest) -> bytes:
        """The whole list."""
        return self._answer(request, HTTPStatus.OK, {"devices": self.devices})

    @app.route(BASE_PATH + "/device/<address>")
    def one_device(self, request: IRequest, address: str) -> bytes:
        """The device that sends from ``address``."""
        for device in self.devices:
            if address in device.get("sending_ips", ()):
                return self._answer(request, HTTPStatus.OK, {"device": device})
        return self._answer(request, HTTPStatus.NOT_FOUND, {"error": "no such device"})

    def _answer(self, request: IRequest, status: HTTPStatus, document: object) -> bytes:
        self.asked.append(request.uri.decode("ascii"))
        if self.status is not None:
            status, document = self.status, {"error": self.status.phrase}
        request.setResponseCode(status)
        request.setHeader("content-type", "application/json")
        return json.dumps(document).encode()
