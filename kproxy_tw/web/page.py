"""A page as values: what HTML, JSON, CSV and the live updates of one address are all made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from kproxy_tw.web.encoding import Document
from kproxy_tw.web.tables.choice import View
from kproxy_tw.web.tables.table import Facts, Table


@attrs.frozen(kw_only=True)
class PageContent:
    """What one address shows at one moment.

    :ivar template: name of the file.
    :ivar tables: in the template by their names, in JSON by their keys, as CSV at ``<path>/<name>.csv``.
    :ivar facts: in the template by their names, in JSON by their keys.
    :ivar view: of the table that the page is about, which may be filtered and sorted; not among ``tables``.
    :ivar document: what JSON has besides.
    :ivar values: what the template uses besides.
    :ivar query: the address's query, with its ``?``, as far as it matters here.
    :ivar headers: of the HTML answer.
    :ivar live: whether the page is brought up to date while it is open.
    :ivar cost_seconds: processor time that it took to make.
    """

    template: str
    tables: Sequence[Table] = ()
    facts: Sequence[Facts] = ()
    view: View | None = None
    document: Document = attrs.Factory(dict)
    values: Mapping[str, Any] = attrs.Factory(dict)
    query: str = attrs.field(default=attrs.Factory(lambda self: self._query_of_view(), takes_self=True))
    headers: Mapping[str, str] = attrs.Factory(dict)
    live: bool = True
    cost_seconds: float = 0.0

    def as_json(self) -> Document:
        """The twin: the same figures as the page; of a table with a view every row that passes its filter."""
        document = {**self.document, **{facts.key: facts.as_json() for facts in self.facts}}
        document.update({table.key: table.as_json() for table in self._all_tables()})
        return document

    def table(self, name: str) -> Table | None:
        """The rows for CSV; ``None`` when the page has no such table."""
        return next((table for table in self._all_tables() if table.name == name), None)

    def for_template(self, path: str) -> dict[str, Any]:
        """Every name that the template may use. :param path: of the page, without its query."""
        return {
            **self.values,
            "tables": {table.name: table for table in self.tables},
            "facts": {one.name: one for one in self.facts},
            "view": self.view,
            "path": path,
            "base": path.rstrip("/"),
            "twin": twin_path(path) + self.query,
            "live": path + self.query if self.live else "",
        }

    def _query_of_view(self) -> str:
        return "" if self.view is None else self.view.choice.query().removesuffix("?")

    def _all_tables(self) -> Sequence[Table]:
        return self.tables if self.view is None else (*self.tables, self.view.matching)


def timed(make: Callable[[], PageContent | None], before: float = 0.0) -> PageContent | None:
    """Make a page, and note what it cost. :param before: seconds of processor time that went into it already."""
    began = time.thread_time()
    content = make()
    if content is None:
        return None
    return attrs.evolve(content, cost_seconds=before + content.cost_seconds + time.thread_time() - began)


def twin_path(path: str) -> str:
    """Where a page's JSON is."""
    return "/index.json" if path == "/" else f"{path}.json"
