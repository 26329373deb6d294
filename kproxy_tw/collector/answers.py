"""How kcollect's HTTP handlers answer and refuse. Pure: a request is whatever has Twisted's request methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kproxy_tw.collector.bounded_json import dump_json
from kproxy_tw.errors import MalformedInput

RETRY_SECONDS = 2
"""What ``Retry-After`` says when the store cannot take more."""


class Refused(Exception):
    """A request gets a status other than 200.

    :param status: the HTTP status.
    :param problem: one line for the client, put into ``{"error": ...}``.
    """

    def __init__(self, status: int, problem: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem
        self.headers = dict(headers or {})


def busy(problem: str) -> Refused:
    """The refusal that asks the client to try again."""
    return Refused(503, problem, {"Retry-After": str(RETRY_SECONDS)})


def wants_pretty(request: Any) -> bool:
    """Whether the query says ``?pretty``, with or without a value (Twisted's ``args`` leave it out without one)."""
    items: list[bytes] = request.uri.partition(b"?")[2].split(b"&")
    return any(item.partition(b"=")[0] == b"pretty" for item in items)


def answer(request: Any, body: bytes, *, status: int = 200, content_type: str = "application/json") -> bytes:
    """Set the status, type and length; gives the body back."""
    request.setResponseCode(status)
    request.setHeader("Content-Type", content_type)
    request.setHeader("Content-Length", str(len(body)))
    return body


def answer_json(request: Any, value: object, *, status: int = 200) -> bytes:
    """Answer with a small JSON value."""
    return answer(request, dump_json(value, pretty=wants_pretty(request)) + b"\n", status=status)


def refuse(request: Any, refused: Refused) -> bytes:
    """Answer with a refusal."""
    for name, value in refused.headers.items():
        request.setHeader(name, value)
    return answer_json(request, {"error": refused.problem}, status=refused.status)


def query_text(request: Any, name: str) -> str | None:
    """The value of a query parameter; ``None`` when it is absent.

    :raises MalformedInput: it is given more than once, or is not UTF-8.
    """
    values = request.args.get(name.encode(), [])
    if not values:
        return None
    if len(values) > 1:
        raise MalformedInput(f"{name} is given {len(values)} times")
    try:
        return str(values[0].decode("utf-8"))
    except UnicodeDecodeError:
        raise MalformedInput(f"{name} is not UTF-8") from None


def header_values(request: Any, name: str) -> list[bytes]:
    """Every value of a request header."""
    return list(request.requestHeaders.getRawHeaders(name.encode(), []))
