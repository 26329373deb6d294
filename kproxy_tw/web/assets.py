"""Where templates and static files are; the only place that knows.

In a wheel they are packaged beside this module; in a checkout (and an editable install) they are
the top-level folders ``templates`` and ``static``.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parent.parent


def _folder(name: str) -> Path:
    packaged = _HERE / name
    return packaged if packaged.is_dir() else _CHECKOUT / name


def templates() -> Path:
    """The folder of the Jinja templates."""
    return _folder("templates")


def static() -> Path:
    """The folder of style sheets, scripts and images."""
    return _folder("static")
