"""RateFile: ``-sample_rate_file``, read at the start and again when somebody says so."""

from __future__ import annotations

from pathlib import Path

from kproxy_tw.reload.service import read_settings
from kproxy_tw.sample.overrides.file import MAX_BYTES, parse_rate_file
from kproxy_tw.sample.overrides.rules import RateOverrides, RateRule


def read_rate_file(path: Path | None) -> tuple[RateRule, ...]:
    """The rules in the file; none without one. :raises ConfigError: it cannot be read or used; says where."""
    return () if path is None else read_settings("sample_rate_file", path, MAX_BYTES, parse_rate_file)


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
