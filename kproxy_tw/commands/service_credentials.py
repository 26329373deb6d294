"""Secrets that systemd hands to a service as files (``LoadCredential=``, systemd.exec(5)).

A file has the name of the environment variable that it stands in for: ``KENTIK_API_TOKEN``. Unlike the variable, no
other process sees it in ``/proc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kproxy_tw.errors import ConfigError

DIRECTORY = "CREDENTIALS_DIRECTORY"
MAX_BYTES = 64 * 1024


def service_credential(name: str, environment: Mapping[str, str]) -> str:
    """Read the credential ``name``, without the line end behind it; empty when systemd passed none.

    :raises ConfigError: it is there and cannot be read, or is no text of reasonable length.
    """
    folder = environment.get(DIRECTORY, "")
    if not folder:
        return ""
    try:
        with (Path(folder) / name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as problem:
        raise ConfigError(name, f"is a credential of the service that cannot be read: {problem.strerror}") from None
    if len(content) > MAX_BYTES or not content.isascii():
        raise ConfigError(name, "is a credential of the service, but no line of plain text; write the file again")
    return content.decode("ascii").strip()
