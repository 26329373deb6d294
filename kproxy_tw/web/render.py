"""Jinja templates to HTML. Undefined names are errors; every string is made harmless, then escaped.

A block whose name begins with ``live_`` is a *fragment*: the page's script gets it anew while the page is open,
and puts it where ``<div id="live_...">`` stands. See ``templates/base.html`` for the frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from kproxy_tw.web import assets, text
from kproxy_tw.web.sparkline import sparkline
from kproxy_tw.web.tables import cells
from kproxy_tw.web.tables.table import NUMERIC

MACROS = ("macros.html", "chart.html")
"""Templates whose macros every template may call by their names."""

LIVE = "live_"
"""Names of blocks that are sent anew."""

FILTERS: Mapping[str, Callable[..., object]] = {
    "num": cells.number,
    "percent": text.percent,
    "utc": text.utc_time,
    "clock": text.utc_clock,
    "duration": text.duration,
    "ratio": cells.ratio,
}
"""Every filter that the templates may use besides Jinja's own."""

FUNCTIONS: Mapping[str, object] = {
    "time": cells.local_time,
    "ago": cells.time_ago,
    "state": cells.state,
    "shown": cells.shown,
    "sparkline": sparkline,
    "zone": text.local_zone,
    "numeric": NUMERIC,
}
"""Every function that the templates may use; the macros of ``macros.html`` come to them."""


def harmless(value: object) -> object:
    """What an expression in a template becomes before it is escaped: strings pass ``safe_text``, all of them.

    So no template can forget it. :class:`Markup` was made by us and stays as it is.
    """
    return value if isinstance(value, Markup | int | float) else text.safe_text(value)


class Renderer:
    """Renders templates.

    :param search: an operator's folder; a template found there replaces ours of the same name.
    """

    def __init__(self, search: Path | None = None) -> None:
        folders = [assets.templates()] if search is None else [search, assets.templates()]
        self._environment = Environment(
            loader=FileSystemLoader(folders),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=harmless,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(FILTERS)
        self._environment.tests["infinite"] = math.isinf
        self._environment.globals.update(FUNCTIONS, asset=assets.static().url)
        for template in MACROS:
            macros = vars(self._environment.get_template(template).module)
            found = {name: macro for name, macro in macros.items() if not name.startswith("_")}
            self._environment.globals.update(found)

    def render(self, template: str, **values: object) -> str:
        """Render the template of that name (``kproxy.html``).

        :raises jinja2.TemplateNotFound: no such template.
        :raises jinja2.UndefinedError: the template uses a name that is not in ``values``.
        """
        return self._environment.get_template(template).render(**values)

    def fragments(self, template: str, **values: object) -> dict[str, str]:
        """The fragments of a page, by their ids; made from the same values as the page."""
        found: Template = self._environment.get_template(template)
        context = found.new_context(values)
        return {name: "".join(block(context)) for name, block in found.blocks.items() if name.startswith(LIVE)}
