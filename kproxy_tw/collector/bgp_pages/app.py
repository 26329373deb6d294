"""``/admin/bgp/...``: the BGP sessions, the agents that relay them, and the source addresses of routers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kproxy_tw.collector.answers import Refused, answer, wants_pretty
from kproxy_tw.collector.bgp_target.status import TargetStatus
from kproxy_tw.collector.bounded_json import dump_json
from kproxy_tw.offload import Offload


class BgpPages:
    """Handlers of what is read.

    :param status: gives the target as it is; ``None`` where there is none.
    :param offload: makes JSON away from the reactor.
    """

    def __init__(self, *, status: Callable[[], TargetStatus | None], offload: Offload) -> None:
        self._status = status
        self._offload = offload

    async def overall(self, request: Any) -> bytes:
        """Where it listens, for which daemon, and which agents are there."""
        return await self._answer(request, TargetStatus.status_json)

    async def sessions(self, request: Any) -> bytes:
        """The sessions, and how the last ones ended."""
        return await self._answer(request, TargetStatus.sessions_json)

    async def sources(self, request: Any) -> bytes:
        """Which router the daemon knows by which address."""
        return await self._answer(request, TargetStatus.sources_json)

    async def _answer(self, request: Any, part: Callable[[TargetStatus], object]) -> bytes:
        status = self._status()
        if status is None:
            raise Refused(404, "there are no BGP sessions here: kcollect has no gRPC port; see -grpc_listen")
        pretty = wants_pretty(request)
        body = await self._offload(lambda: dump_json(part(status), pretty=pretty) + b"\n")
        return answer(request, body)
