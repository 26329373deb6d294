"""Messages out of a stream of bytes: each says its own length (RFC 7011 section 3.1)."""

from __future__ import annotations

from kproxy_tw.reader import trusted_unpacker

VERSION = 10
HEADER_LENGTH = 16
LARGEST_MESSAGE = 65_535
"""What the 16 bits of the length can say; so much waits at most for the rest of a message."""

PREFIX_LENGTH = 4
_PREFIX = trusted_unpacker("HH")


class MessageFramer:
    """Cuts a stream into messages.

    A message whose contents are broken is no trouble here: its length leads to the next one. When the length itself
    cannot be right, nothing tells where a message begins: the stream is lost, and stays so.

    :ivar problem: why the stream is lost; empty while it is not.
    """

    __slots__ = ("_rest", "problem")

    def __init__(self) -> None:
        self._rest = b""
        self.problem = ""

    @property
    def waiting(self) -> int:
        """Bytes of a message that is not complete."""
        return len(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read. :return: the messages that are complete now, up to the place where the stream is lost."""
        if self.problem:
            return []
        data = self._rest + data if self._rest else data
        messages, position = [], 0
        while len(data) - position >= PREFIX_LENGTH:
            version, length = _PREFIX(data, position)
            if version != VERSION or length < HEADER_LENGTH:
                self._lose(version, length, data[position : position + PREFIX_LENGTH])
                break
            if len(data) - position < length:
                break
            messages.append(data[position : position + length])
            position += length
        self._rest = b"" if self.problem else data[position:]
        return messages

    def _lose(self, version: int, length: int, prefix: bytes) -> None:
        if version == VERSION:
            self.problem = (
                f"a message of {length} bytes, shorter than its header: where the next one begins, nobody knows"
            )
        else:
            self.problem = f"no IPFIX: {prefix.hex(' ')} stands where version 10 and a length should"
