"""What this process may do (capabilities(7)), said so that an operator knows what to change.

kbgp needs no root. Port 179 needs ``CAP_NET_BIND_SERVICE``; watching SYNs needs ``CAP_NET_RAW``, which only the
capturing child makes use of: kbgp keeps it as *permitted*, so that it can start the child again, and gives it up as
*effective*, *inheritable* and *ambient*. Capabilities belong to threads; those started later inherit.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import attrs

NET_RAW = 13

VERSION_3 = 0x20080522
"""``_LINUX_CAPABILITY_VERSION_3``: two words for each set."""

PR_CAP_AMBIENT = 47
AMBIENT_RAISE, AMBIENT_LOWER = 2, 3


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


@attrs.frozen
class CapabilitySets:
    """The calling thread's sets, as bit masks."""

    effective: int
    permitted: int
    inheritable: int

    def may(self, capability: int) -> bool:
        """Whether it is permitted, in force or not."""
        return bool(self.permitted >> capability & 1)

    def with_only(self, capability: int, *, effective: bool, inheritable: bool) -> CapabilitySets:
        """The same sets with this capability's bits as told; *permitted* stays."""
        bit = 1 << capability
        return CapabilitySets(
            self.effective | bit if effective else self.effective & ~bit,
            self.permitted,
            self.inheritable | bit if inheritable else self.inheritable & ~bit,
        )


def capability_sets() -> CapabilitySets:
    """Ask the kernel. :raises OSError: it refuses."""
    header, words = _Header(VERSION_3, 0), (_Sets * 2)()
    _call("capget", ctypes.byref(header), words)
    low, high = words
    return CapabilitySets(
        *(getattr(low, name) | getattr(high, name) << 32 for name in ("effective", "permitted", "inheritable"))
    )


def set_capabilities(sets: CapabilitySets) -> None:
    """Set those of the calling thread. :raises PermissionError: more than is permitted."""
    header, words = _Header(VERSION_3, 0), (_Sets * 2)()
    for index, word in enumerate(words):
        for name in ("effective", "permitted", "inheritable"):
            setattr(word, name, getattr(sets, name) >> 32 * index & 0xFFFFFFFF)
    _call("capset", ctypes.byref(header), words)


def lay_down(capability: int) -> None:
    """Keep ``capability`` as permitted only, if it is there at all. :raises OSError: the kernel refuses."""
    with suppress(OSError):  # EINVAL: a kernel without ambient capabilities has none to lower
        _call("prctl", PR_CAP_AMBIENT, AMBIENT_LOWER, capability, 0, 0)
    set_capabilities(capability_sets().with_only(capability, effective=False, inheritable=False))


@contextmanager
def lent_to_children(capability: int) -> Iterator[None]:
    """Processes that this thread starts in the meantime have ``capability`` in force; needs it permitted.

    :raises OSError: it is not permitted.
    """
    set_capabilities(capability_sets().with_only(capability, effective=False, inheritable=True))
    try:
        _call("prctl", PR_CAP_AMBIENT, AMBIENT_RAISE, capability, 0, 0)
        yield
    finally:
        lay_down(capability)


def capture_problem() -> str:
    """Why this process cannot watch SYNs; empty when it can."""
    if capability_sets().may(NET_RAW):
        return ""
    return (
        "watching for signed connection attempts needs the capability CAP_NET_RAW, not root; with systemd:"
        " AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_NET_RAW. Until then only keys that the backend sends unasked"
        " are known"
    )


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
