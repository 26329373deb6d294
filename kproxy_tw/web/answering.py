"""How the pages' applications answer: status, type, length; small things that all of them need."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.iweb import IRequest
from twisted.web.pages import notFound
from twisted.web.resource import IResource
from twisted.web.static import File

from kproxy_tw.web.documents import Document, encode

HTML = "text/html; charset=utf-8"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

RENDER_THREADS = 2
"""Pages rendered at once; the reactor's other threads are for other work."""


class StaticFiles(File):
    """Files of one folder; folders are not listed."""

    def directoryListing(self) -> IResource:  # noqa: N802 - Twisted's name
        """There is nothing to see."""
        return notFound(message="Folders are not listed.")


def answer(request: IRequest, body: bytes | str, content_type: str, code: int = 200) -> bytes:
    """Set status, type and length of an answer, and return its body."""
    raw = body.encode() if isinstance(body, str) else body
    request.setResponseCode(code)
    request.setHeader("Content-Type", content_type)
    request.setHeader("Content-Length", str(len(raw)))
    return raw


def answer_json(request: IRequest, document: Document, code: int = 200) -> bytes:
    """Answer with a document, indented where ``?pretty`` is asked for."""
    return answer(request, encode(document, pretty=wants_pretty(request)), JSON, code)


def answer_probe(request: IRequest, fine: bool, reasons: Sequence[str]) -> bytes:
    """Answer a probe: 200 ``ok``, or 503 with the reasons."""
    return answer(request, "ok\n" if fine else "; ".join(reasons) + "\n", TEXT, 200 if fine else 503)


def wants_pretty(request: IRequest) -> bool:
    """Whether ``?pretty`` is asked for; Twisted's ``args`` leaves out names without a value."""
    query: bytes = request.uri.partition(b"?")[2]
    return any(part.partition(b"=")[0] == b"pretty" for part in query.split(b"&"))
