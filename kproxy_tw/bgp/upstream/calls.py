"""How a gRPC call begins: whether its server has taken it."""

from __future__ import annotations

import asyncio
from typing import Any

from kproxy_tw.bgp.metadata import Metadata, gathered

FAILED_SECONDS = 0.1
"""A call that failed begins with an empty header, as some good ones do; its status follows at once."""


async def answered(call: Any, seconds: float) -> Metadata | None:
    """Wait for the server's header; ``None`` if the call has failed instead, its status is known then.

    :raises TimeoutError: neither came in time.
    :raises grpc.aio.AioRpcError: the call has failed.
    """
    async with asyncio.timeout(seconds):
        metadata = gathered(await call.initial_metadata())
    if not metadata:
        try:
            async with asyncio.timeout(FAILED_SECONDS):
                await call.code()
        except TimeoutError:
            return metadata
    return None if call.done() else metadata
