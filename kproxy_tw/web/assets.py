"""Where templates and static files are; the only place that knows.

In a wheel they are packaged beside this module; in a checkout (and an editable install) they are
the top-level folders ``templates`` and ``static``.

A page names a static file by :meth:`Assets.url`, which has a hash of the content in it: a browser may keep
it for ever, and a new release is a new name.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import attrs

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parent.parent

PREFIX = "/static/"
HASH_DIGITS = 10

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""Of what may be served; other files are not."""


def _folder(name: str) -> Path:
    packaged = _HERE / name
    return packaged if packaged.is_dir() else _CHECKOUT / name


def templates() -> Path:
    """The folder of the Jinja templates."""
    return _folder("templates")


@attrs.frozen(kw_only=True)
class Asset:
    """A static file. ``hashed``: found under the name that has the hash in it."""

    body: bytes
    content_type: str
    hashed: bool


class Assets:
    """The static files, read once.

    :param folder: of them; files in folders below count, too, with their relative path as name.
    """

    def __init__(self, folder: Path) -> None:
        self._urls: dict[str, str] = {}
        self._found: dict[str, Asset] = {}
        for path in sorted(folder.rglob("*")):
            content_type = CONTENT_TYPES.get(path.suffix)
            if content_type is not None and path.is_file():
                self._add(path.relative_to(folder).as_posix(), path.read_bytes(), content_type)

    def url(self, name: str) -> str:
        """The address of a file. :raises KeyError: there is no such file."""
        return self._urls[name]

    def find(self, name: str) -> Asset | None:
        """What stands at ``PREFIX + name``, with or without the hash."""
        return self._found.get(name)

    def _add(self, name: str, body: bytes, content_type: str) -> None:
        stem, dot, suffix = name.rpartition(".")
        hashed = f"{stem}.{hashlib.sha256(body).hexdigest()[:HASH_DIGITS]}{dot}{suffix}"
        self._urls[name] = PREFIX + hashed
        self._found[name] = Asset(body=body, content_type=content_type, hashed=False)
        self._found[hashed] = Asset(body=body, content_type=content_type, hashed=True)


@cache
def static() -> Assets:
    """Style sheets, scripts and images."""
    return Assets(_folder("static"))
