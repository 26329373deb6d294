"""Anonymous memory with the face of a file."""

from __future__ import annotations

import os
from typing import BinaryIO


def anonymous_memory() -> BinaryIO:
    """Unbuffered anonymous memory (``memfd``; no file system is involved); close it.

    pycapnp packs and unpacks with the interpreter lock held, unless it does so from or to a file descriptor.
    """
    return os.fdopen(os.memfd_create("kflow", os.MFD_CLOEXEC), "w+b", buffering=0)
