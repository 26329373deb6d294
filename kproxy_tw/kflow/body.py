"""From the body of a flow POST to the packed message in it, within bounds."""

from __future__ import annotations

import re
from typing import cast

from isal import isal_zlib

from kproxy_tw.errors import MalformedInput

PREFIX_BYTES = 80

_GZIP = 16 + isal_zlib.MAX_WBITS
_GzipError = cast(type[Exception], isal_zlib.error)  # its stubs call it an instance
_OLD_KEY = re.compile(rb"[^\x00^:]*:[^\x00^:]*:[0-9]*\^\x00*")


def inflate(body: bytes, limit: int) -> bytes:
    """The one gzip member that ``body`` is.

    :param limit: most bytes that may come out; no more than one beyond are ever made.
    :raises MalformedInput: not gzip, cut short, checksum wrong, something behind it, or too large.
    """
    stream = isal_zlib.decompressobj(wbits=_GZIP)
    try:
        content: bytes = stream.decompress(body, limit + 1)
    except _GzipError as error:
        raise MalformedInput(f"the body is not gzip: {error}") from None
    if len(content) > limit:
        raise MalformedInput(f"the body inflates to more than {limit} bytes")
    if not stream.eof:
        raise MalformedInput("the gzip body is cut short")
    if stream.unused_data:
        raise MalformedInput(f"{len(stream.unused_data)} bytes behind the gzip body")
    return content


def without_prefix(content: bytes) -> memoryview:
    """The packed message: ``content`` without its 80 bytes of zeros, or of an older sender's key, if it has them."""
    view = memoryview(content)
    head = content[:PREFIX_BYTES]
    if len(content) > PREFIX_BYTES and (head[:5] == bytes(5) or _OLD_KEY.fullmatch(head)):
        return view[PREFIX_BYTES:]
    return view
