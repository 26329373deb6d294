"""Jinja templates to HTML. Undefined names are errors; every string is made harmless, then escaped."""

from __future__ import annotations

import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from kproxy_tw.web import assets, text


def number(value: float, unit: str = "") -> Markup:
    """A number with a decimal prefix, and all its digits when one points at it."""
    short = text.si_number(value, unit)
    exact = f"{value:,} {unit}".rstrip()
    if short.replace(",", "") == exact.replace(",", ""):
        return Markup("{}").format(short)
    return Markup('<span title="{}">{}</span>').format(exact, short)


FILTERS = {
    "num": number,
    "percent": text.percent,
    "utc": text.utc_time,
    "clock": text.utc_clock,
    "duration": text.duration,
}
"""Every filter that the templates may use besides Jinja's own."""


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
        )
        self._environment.filters.update(FILTERS)
        self._environment.tests["infinite"] = math.isinf

    def render(self, template: str, **values: object) -> str:
        """Render the template of that name (``kproxy.html``).

        :raises jinja2.TemplateNotFound: no such template.
        :raises jinja2.UndefinedError: the template uses a name that is not in ``values``.
        """
        return self._environment.get_template(template).render(**values)
