"""Pages by their addresses: HTML at ``<path>``, JSON at ``<path>.json``, CSV at ``<path>/<table>.csv``, live updates.

What a page contains is its daemon's business (:class:`PageSource`); all daemons answer for it in the same way.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

from twisted.internet.defer import Deferred, succeed
from twisted.web.iweb import IRequest

from kproxy_tw.web.answering import (
    HTML,
    JSON,
    answer,
    answer_csv,
    answer_json,
    query_of,
    wants_pretty,
)
from kproxy_tw.web.encoding import encode
from kproxy_tw.web.events import Fragments
from kproxy_tw.web.page import PageContent
from kproxy_tw.web.render import Renderer
from kproxy_tw.web.tables.separated import csv_text

T = TypeVar("T")

MISSING = "There is nothing at this address."

MAX_PAGE_ADDRESS = 1000
"""Longest address of a page whose events are asked for."""

_TWIN = re.compile(r"(?P<path>/(?:[a-z0-9_./:-]*[a-z0-9])?)\.json", re.ASCII)
_CSV = re.compile(r"(?P<path>/(?:[a-z0-9_./:-]+/)?)(?P<table>[a-z0-9-]+)\.csv", re.ASCII)

Use = Callable[[PageContent | None], T]
"""Takes a page's content, or ``None`` when there is no such thing any more; runs in a thread."""


class PageRun(Protocol):
    """Makes the content of one page and hands it to its user, both away from the reactor's thread."""

    def __call__(self, use: Callable[[PageContent | None], T], /) -> Deferred[T]:
        """What ``use`` returned."""


class PageSource(Protocol):
    """The pages of one daemon."""

    def find(self, path: str, query: Mapping[str, str]) -> PageRun | None:
        """The page at a path; ``None`` when there is none. Nothing is made yet."""


class PageSite:
    """Answers requests for pages.

    :param source: has the pages.
    :param renderer: makes their HTML.
    :param brand: the daemon's name.
    """

    def __init__(self, source: PageSource, renderer: Renderer, brand: str) -> None:
        self._source = source
        self._renderer = renderer
        self._brand = brand

    async def answer(self, request: IRequest) -> bytes:
        """Answer with the page, its JSON, or the CSV of one of its tables."""
        path = request.path.decode("utf-8", "replace")
        query = query_of(request)
        twin, table = _TWIN.fullmatch(path), _CSV.fullmatch(path)
        if twin is not None:
            return await self._answer_json(request, _page_path(twin["path"]), query)
        if table is not None:
            return await self._answer_csv(request, _page_path(table["path"]), query, table["table"])
        return await self._answer_html(request, path, query)

    def missing(self, request: IRequest, text: str = MISSING) -> bytes:
        """Answer that there is nothing, in HTML."""
        return answer(request, self._renderer.render("missing.html", text=text, brand=self._brand), HTML, 404)

    def stream(self, address: str) -> Callable[[], Deferred[Fragments]] | None:
        """What makes the live parts of the page at an address (path and query); ``None`` when there is no page."""
        parts = urlsplit(address) if len(address) <= MAX_PAGE_ADDRESS and address.startswith("/") else None
        run = self._source.find(parts.path, dict(parse_qsl(parts.query))) if parts else None
        if parts is None or run is None:
            return None
        path = parts.path

        def fragments(content: PageContent | None) -> Fragments:
            if content is None:
                return Fragments({})
            began = time.thread_time()
            made = self._renderer.fragments(content.template, **content.for_template(path))
            return Fragments(made, content.cost_seconds + time.thread_time() - began)

        return lambda: run(fragments)

    async def _answer_html(self, request: IRequest, path: str, query: Mapping[str, str]) -> bytes:
        def html(content: PageContent | None) -> tuple[str, Mapping[str, str]] | None:
            if content is None:
                return None
            return self._renderer.render(content.template, **content.for_template(path)), content.headers

        made = await self._run(path, query, html)
        if made is None:
            return self.missing(request)
        text, headers = made
        for name, value in headers.items():
            request.setHeader(name, value)
        return answer(request, text, HTML)

    async def _answer_json(self, request: IRequest, path: str, query: Mapping[str, str]) -> bytes:
        pretty = wants_pretty(request)

        def document(content: PageContent | None) -> bytes | None:
            return None if content is None else encode(content.as_json(), pretty=pretty)

        made = await self._run(path, query, document)
        if made is None:
            return answer_json(request, {"error": MISSING.lower().rstrip(".")}, 404)
        return answer(request, made, JSON)

    async def _answer_csv(self, request: IRequest, path: str, query: Mapping[str, str], name: str) -> bytes:
        def text(content: PageContent | None) -> str | None:
            table = None if content is None else content.table(name)
            return None if table is None else csv_text(table)

        made = await self._run(path, query, text)
        return self.missing(request) if made is None else answer_csv(request, made, name)

    def _run(self, path: str, query: Mapping[str, str], use: Callable[[PageContent | None], T]) -> Deferred[T]:
        run = self._source.find(path, query)
        return succeed(use(None)) if run is None else run(use)


def _page_path(path: str) -> str:
    """The path of a page from that of its JSON or CSV."""
    stripped = path.rstrip("/")
    return "/" if stripped in ("", "/index") else stripped
