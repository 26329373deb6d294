"""The flags of the spool, from the command line to the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from kproxy_tw.deliver.spool.limits import SpoolLimits
from tests.commands.test_sample_flags import config


def test_the_spool_is_on_and_keeps_the_newest(tmp_path: Path) -> None:
    """1 GiB, for as long as it takes."""
    assert config(tmp_path).spool == SpoolLimits(max_bytes=1 << 30, drop_newest=False, max_age_seconds=0)


def test_flags_choose_what_gives_way(tmp_path: Path) -> None:
    """Each reaches its place; off is off."""
    chosen = config(tmp_path, "-spool_max_bytes=2000000", "-spool_full=drop_newest", "-spool_max_age=86400")
    assert chosen.spool == SpoolLimits(max_bytes=2_000_000, drop_newest=True, max_age_seconds=86_400)
    assert config(tmp_path, "-spool=off", "-spool_full=drop_newest").spool is None


def test_another_policy_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The line names the flag."""
    with pytest.raises(SystemExit):
        config(tmp_path, "-spool_full=block")
    assert "-spool_full must be one of drop_oldest, drop_newest" in capfd.readouterr().err
