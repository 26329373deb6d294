"""How the pages' applications answer: status, type, length; small things that all of them need."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.http import NOT_FOUND
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from kproxy_tw.web import assets
from kproxy_tw.web.encoding import Document, encode

HTML = "text/html; charset=utf-8"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
CSV = "text/csv; charset=utf-8"

FOREVER = "public, max-age=31536000, immutable"
"""What is under a name that has its hash in it never changes."""


class StaticFiles(Resource):
    """Style sheets, scripts and images below ``/static/``."""

    isLeaf = True

    def render_GET(self, request: IRequest) -> bytes:
        """The file; folders are not listed, and nothing outside is served."""
        path = request.path.decode("utf-8", "replace").removeprefix(assets.PREFIX)
        found = assets.static().find(path)
        if found is None:
            return answer(request, "There is no such file.\n", TEXT, NOT_FOUND)
        if found.hashed:
            request.setHeader("Cache-Control", FOREVER)
        return answer(request, found.body, found.content_type)


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


def answer_csv(request: IRequest, text: str, name: str) -> bytes:
    """Answer with a table as a file. :param name: of the table."""
    request.setHeader("Content-Disposition", f'attachment; filename="{name}.csv"')
    return answer(request, text, CSV)


def answer_probe(request: IRequest, fine: bool, reasons: Sequence[str]) -> bytes:
    """Answer a probe: 200 ``ok``, or 503 with the reasons."""
    return answer(request, "ok\n" if fine else "; ".join(reasons) + "\n", TEXT, 200 if fine else 503)


def query_of(request: IRequest) -> dict[str, str]:
    """The query's values as text; of several with one name the first."""
    args: dict[bytes, list[bytes]] = request.args or {}
    return {name.decode("utf-8", "replace"): values[0].decode("utf-8", "replace") for name, values in args.items()}


def wants_pretty(request: IRequest) -> bool:
    """Whether ``?pretty`` is asked for; Twisted's ``args`` leaves out names without a value."""
    query: bytes = request.uri.partition(b"?")[2]
    return any(part.partition(b"=")[0] == b"pretty" for part in query.split(b"&"))
