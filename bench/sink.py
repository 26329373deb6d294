"""A process that stands for the backend at no cost: knows 16 devices, answers every POST with 200 and counts.

Usage: ``python -m bench.sink PORT MAX_FLOW_RATE [POLLED]``, the last being devices that send no flow. It
reads HTTP/1.1 no further than the benchmark needs.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from bench.sender import EXPORTERS, address

METRIC_COLUMNS = {
    **dict.fromkeys(("APP_PROTOCOL", *(f"INT0{place}" for place in range(7))), "uint32"),
    **{f"INT64_0{place}": "uint64" for place in range(10)},
    **dict.fromkeys(("STR00", "STR01"), "string"),
}
"""Custom columns of a device that is polled, for its metric records: by name, their types."""

FIRST_COLUMN = 2880


def metric_columns() -> list[dict[str, str]]:
    """As the API gives them."""
    return [
        {"col_name": name, "field_id": str(number), "col_type": kind}
        for number, (name, kind) in enumerate(METRIC_COLUMNS.items(), FIRST_COLUMN)
    ]


def device(number: int, max_flow_rate: int, addresses: list[str]) -> dict[str, object]:
    """One device."""
    return {
        "id": str(number),
        "company_id": "1",
        "device_name": f"bench_{number}",
        "device_sample_rate": "1",
        "max_flow_rate": max_flow_rate,
        "sending_ips": addresses,
    }


def devices(max_flow_rate: int, polled: int = 0) -> bytes:
    """The device list, as the API gives it."""
    senders = [device(100 + exporter, max_flow_rate, [address(exporter)]) for exporter in range(EXPORTERS)]
    others = [
        device(1000 + number, max_flow_rate, [f"127.2.{number // 250}.{number % 250}"])
        | {"custom_column_data": metric_columns()}
        for number in range(polled)
    ]
    return json.dumps({"devices": senders + others}).encode()


async def serve(port: int, max_flow_rate: int, polled: int = 0) -> None:
    """Answer for ever."""
    document = devices(max_flow_rate, polled)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
                )
                while length:
                    length -= len(await reader.read(min(length, 1 << 20)))
                body = document if head.startswith(b"GET") else b""
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port, limit=1 << 20)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # beside the sender
    asyncio.run(serve(*map(int, sys.argv[1:])))
