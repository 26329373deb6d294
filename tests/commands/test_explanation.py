"""What the last line says of an address that cannot be listened on."""

from __future__ import annotations

import errno
import os
import socket

from twisted.internet.error import CannotListenError

import pytest

from kproxy_tw.commands.startup import explanation

NAME_UNKNOWN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("problem", "hint"),
    [
        (_os_error(errno.EADDRINUSE), "is another instance running?"),
        (_os_error(errno.EADDRNOTAVAIL), "no interface of this machine has that address"),
        (_os_error(errno.EINVAL), "a link-local address needs its interface, as in fe80::1%eth0"),
        (NAME_UNKNOWN, "give an address of this machine, such as 127.0.0.1"),
    ],
    ids=["in use", "not ours", "no zone", "a name"],
)
def test_the_hint_fits_the_reason(problem: OSError, hint: str) -> None:
    """Where, why, and what to do."""
    line = explanation(CannotListenError("router", 9996, problem))
    assert line == f"cannot listen on router:9996: {problem.strerror}; {hint}"
