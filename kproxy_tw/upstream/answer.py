"""HttpAnswer: what an HTTP server answered, read to its last byte."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class HttpAnswer:
    """A complete answer; fits ``interfaces.Answer``.

    :ivar status: the HTTP status code.
    :ivar headers: by lower-case name; of a repeated header the last one.
    :ivar body: as sent, after content encoding is undone.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
