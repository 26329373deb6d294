"""Many datagrams for one system call: ``recvmmsg(2)``, which Python's :mod:`socket` does not offer.

The kernel writes a batch into the slots of one memory map, each as large as a datagram can be; of a slot only the pages
that datagrams have reached cost memory.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket

import numpy as np

SLOTS = 64
"""Datagrams that one call takes at most."""

SLOT_BYTES = 65536
"""More than the largest UDP payload there can be."""

SLOT_STEP = SLOT_BYTES + 33 * 64
"""From slot to slot: at multiples of a large power of two, all datagrams would share a few sets of the cache."""

MAX_SOURCES = 4096
"""Sources whose address is remembered as text; then all are forgotten, for forged ones must not fill the memory."""

V4_MAPPED = "::ffff:"
"""How an IPv4 exporter looks on a socket bound to ``::`` (RFC 4291 section 2.5.5.2)."""

Source = tuple[str, int]
"""Address as text, an IPv4-mapped one as plain IPv4, and port."""


class _Vector(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_size_t), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """``struct msghdr``."""

    _fields_ = (
        ("name", ctypes.c_size_t),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_size_t),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_size_t),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """``struct mmsghdr``."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


NAME = np.dtype({"names": ["v4", "v6"], "formats": [np.uint64, "V28"], "offsets": [0, 0], "itemsize": 32})
"""Room for a socket address, and what tells sources apart: of ``sockaddr_in`` family, port and address, of
``sockaddr_in6`` everything."""


class DatagramBatch:
    """Reads a UDP socket, up to :data:`SLOTS` datagrams a call.

    :param sock: of IPv4 or IPv6; it stays the caller's.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._family = sock.family
        # The call does not wait, so it keeps the interpreter lock: giving it away and back costs more than reading.
        self._recvmmsg = ctypes.PyDLL(None, use_errno=True).recvmmsg
        self._slots = mmap.mmap(-1, SLOTS * SLOT_STEP)
        names, vectors, messages = np.zeros(SLOTS, NAME), np.zeros(SLOTS, _Vector), np.zeros(SLOTS, _Message)
        steps = np.arange(SLOTS, dtype=np.uintp)
        vectors["base"] = np.frombuffer(self._slots, np.uint8).ctypes.data + steps * SLOT_STEP
        vectors["length"] = SLOT_BYTES
        headers = messages["header"]
        headers["name"] = names.ctypes.data + steps * NAME.itemsize
        headers["vectors"] = vectors.ctypes.data + steps * vectors.itemsize
        headers["vector_count"] = 1
        # The kernel follows the addresses in ``messages``: what they point to must live as long.
        self._pointed_to = (names, vectors, messages)
        self._messages = ctypes.c_void_p(messages.ctypes.data)
        self._name_lengths, self._lengths = headers["name_length"], messages["length"]
        self._names = names.view(np.uint8).reshape(SLOTS, NAME.itemsize)
        self._keys = names["v4" if sock.family == socket.AF_INET else "v6"]
        self._sources: dict[object, Source] = {}

    def read(self) -> list[tuple[bytes, Source]]:
        """Take what is there, in the order of arrival; empty when nothing is.

        :raises OSError: the socket cannot be read.
        """
        self._name_lengths[:] = NAME.itemsize
        count = self._recvmmsg(self._socket.fileno(), self._messages, SLOTS, socket.MSG_DONTWAIT, None)
        if count < 0:
            error = ctypes.get_errno()
            if error in (errno.EAGAIN, errno.EINTR):
                return []
            raise OSError(error, os.strerror(error))
        return self._taken(count)

    def _taken(self, count: int) -> list[tuple[bytes, Source]]:
        slots, sources = self._slots, self._sources
        keys, lengths = self._keys[:count].tolist(), self._lengths[:count].tolist()
        starts = range(0, count * SLOT_STEP, SLOT_STEP)
        return [
            (slots[start : start + length], sources.get(key) or self._source(key, start // SLOT_STEP))
            for key, start, length in zip(keys, starts, lengths, strict=True)
        ]

    def _source(self, key: object, slot: int) -> Source:
        if len(self._sources) >= MAX_SOURCES:
            self._sources.clear()
        name = self._names[slot].tobytes()
        port = int.from_bytes(name[2:4], "big")
        if self._family == socket.AF_INET:
            address = socket.inet_ntop(socket.AF_INET, name[4:8])
        else:
            address = socket.inet_ntop(socket.AF_INET6, name[8:24]).removeprefix(V4_MAPPED)
        source = self._sources[key] = (address, port)
        return source
