"""What the process list and ``/proc/PID/environ`` show of this process: secrets are written over where they stand.

The kernel shows the memory into which it put arguments and environment as the process began (proc_pid_cmdline(5)), so
that neither ``sys.argv`` nor ``os.environ`` changes what is seen. The process goes on with the copies that Python made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

#: Of a URL, what stands for user and password.
_USERINFO = re.compile(rb"(?<=://)[^/?#\s\0]*(?=@)")

#: Place of ``arg_start`` among the fields behind the command's name in ``/proc/PID/stat`` (proc_pid_stat(5), field 48);
#: ``arg_end``, ``env_start`` and ``env_end`` follow.
_ARG_START = 48 - 3

Span = tuple[int, int]


def hide(secrets: Collection[str], variables: Collection[str]) -> bool:
    """Put stars over ``secrets`` among the arguments, the values of ``variables``, and users of URLs in either.

    :param secrets: values of arguments, each an argument of its own or behind a ``=``.
    :param variables: names in the environment.
    :returns: whether the system let us do it.
    """
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        arguments, arguments_end, environment, environment_end = map(int, fields[_ARG_START : _ARG_START + 4])
        memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
        try:
            shown = os.pread(memory, arguments_end - arguments, arguments)
            _cover(memory, arguments, in_arguments(shown, [os.fsencode(secret) for secret in secrets]))
            shown = os.pread(memory, environment_end - environment, environment)
            _cover(memory, environment, in_environment(shown, [os.fsencode(name) for name in variables]))
        finally:
            os.close(memory)
    except (OSError, ValueError):
        return False
    # Whoever may not know where they are is told 0 (proc_pid_stat(5)).
    return arguments > 0


def in_arguments(shown: bytes, secrets: Collection[bytes]) -> Iterator[Span]:
    """Find secrets, and users and passwords of URLs.

    :param shown: arguments, each with a NUL behind it.
    :returns: where each begins and ends.
    """
    for start, argument in _texts(shown):
        value = argument.partition(b"=")[2]
        if argument and argument in secrets:
            yield start, start + len(argument)
        elif value and value in secrets:
            yield start + len(argument) - len(value), start + len(argument)
        else:
            yield from _users(start, argument)


def in_environment(shown: bytes, variables: Collection[bytes]) -> Iterator[Span]:
    """Find the values of ``variables``, and users and passwords of URLs; otherwise like :func:`in_arguments`."""
    for start, variable in _texts(shown):
        name, _equals, value = variable.partition(b"=")
        if name in variables:
            yield start + len(variable) - len(value), start + len(variable)
        else:
            yield from _users(start, variable)


def _users(start: int, text: bytes) -> Iterator[Span]:
    return ((start + found.start(), start + found.end()) for found in _USERINFO.finditer(text))


def _texts(shown: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    for text in shown.split(b"\0"):
        yield start, text
        start += len(text) + 1


def _cover(memory: int, at: int, spans: Iterator[Span]) -> None:
    for start, end in spans:
        os.pwrite(memory, b"*" * (end - start), at + start)
