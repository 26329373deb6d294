"""Gives up everything that reading an open socket and writing to a pipe does not need."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress

from kproxy_tw.bgp.md5.capabilities import CapabilitySets, set_capabilities

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 4, 24, 38, 47
AMBIENT_CLEAR_ALL = 4

LAST_CAPABILITY = 63
"""No kernel has more; those it does not have give EINVAL."""

NOBODY = 65534
"""The overflow user and group of every distribution."""

FILES = 16
MEMORY_BYTES = 256 << 20
"""Of address space: far more than it uses, far less than would hurt."""


def give_up_privileges() -> None:
    """From here on: no capability, no way to get one, no new files or processes, no core, gone when the parent is.

    :raises OSError: the kernel refuses; then the process must not go on.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for capability in range(LAST_CAPABILITY + 1):
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # needs CAP_SETPCAP: works for root, who has a set to shrink
    if os.getuid() == 0:
        with suppress(PermissionError):  # root of a container that may not change users: it stays, without capability
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    prctl(PR_CAP_AMBIENT, AMBIENT_CLEAR_ALL, 0, 0, 0)
    set_capabilities(CapabilitySets(0, 0, 0))
    if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after the change of user, which clears it
    _limit()
    os.chdir("/")


def _limit() -> None:
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_AS: MEMORY_BYTES,
    }
    for limit, most in limits.items():
        with suppress(ValueError):  # a lower hard limit is in force already
            resource.setrlimit(limit, (most, most))
