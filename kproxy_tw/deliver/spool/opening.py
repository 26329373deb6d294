"""How a spool is opened: what cannot be used gives way to something new, and stays under another name."""

from __future__ import annotations

import errno
import os

from kproxy_tw.deliver.spool.shelf import Shelf
from kproxy_tw.deliver.spool.tallyfile import TallyFile

UNUSABLE = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EEXIST,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.EIO,
        errno.EBADMSG,
        errno.EUCLEAN,
    }
)
"""What is wrong with the thing itself: it helps to make a new one, as it does not on a disk that is full."""


def open_or_replace(shelf: Shelf, tallies: TallyFile) -> None:
    """Take the directory of both. One that cannot be used, such as another user's, gives way to a new one.

    :raises ConfigError: another process has it.
    :raises OSError: it cannot be made, nor renamed.
    """
    try:
        _open(shelf, tallies)
    except OSError as problem:
        if problem.errno not in UNUSABLE or not os.path.lexists(shelf.directory):
            raise
        shelf.put_aside(shelf.directory)
        _open(shelf, tallies)


def _open(shelf: Shelf, tallies: TallyFile) -> None:
    try:
        shelf.open()
        _open_tally(shelf, tallies)
    except OSError:
        shelf.close()
        raise


def _open_tally(shelf: Shelf, tallies: TallyFile) -> None:
    try:
        tallies.open()
    except OSError as problem:
        if problem.errno not in UNUSABLE:
            raise
        shelf.put_aside(tallies.path)
        tallies.open()
