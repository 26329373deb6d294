"""RateFile: ``-sample_rate_file``, read at the start and again when somebody says so."""

from __future__ import annotations

from pathlib import Path

from kproxy_tw.errors import ConfigError
from kproxy_tw.reload.listfile import BadFile
from kproxy_tw.sample.overrides.file import MAX_BYTES, parse_rate_file
from kproxy_tw.sample.overrides.rules import RateOverrides, RateRule


def read_rate_file(path: Path | None) -> tuple[RateRule, ...]:
    """The rules in the file; none without one. :raises ConfigError: it cannot be read or used; says where."""
    if path is None:
        return ()
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        return parse_rate_file(content)
    except OSError as problem:
        raise ConfigError("sample_rate_file", f"cannot read {path}: {problem.strerror}") from None
    except BadFile as problem:
        raise ConfigError("sample_rate_file", f"{path}: {problem}") from None


class RateFile:
    """The file and the rules in it.

    :ivar overrides: the rules in force.
    :raises ConfigError: the file cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.overrides = RateOverrides(read_rate_file(path))

    def reload(self) -> None:
        """Read the file again. :raises ConfigError: it cannot be used, and what was read before stays in force."""
        self.overrides.replace(read_rate_file(self._path))
