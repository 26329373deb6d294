"""The flags of the cap, from the command line to the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from kproxy_tw.assembly import KproxyConfig
from kproxy_tw.commands.configuration import kproxy_config
from kproxy_tw.commands.kproxy import Options
from kproxy_tw.errors import ConfigError


def config(tmp_path: Path, *arguments: str) -> KproxyConfig:
    """What a command line chooses."""
    options = Options()
    options.parseOptions([f"-state_dir={tmp_path}", "-api_email=a@example.com", "-api_token=t", *arguments])
    return kproxy_config(options)


def test_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    """30 copies a second, one shard, plans shared, no end in silence."""
    chosen = config(tmp_path)
    assert (chosen.sample.max_big, chosen.sample.shards, chosen.sample.plan) == (30, 1, "shared")
    assert (chosen.shard, chosen.exit_when_silent) == ("", False)


def test_flags_choose_copies_plans_and_silence(tmp_path: Path) -> None:
    """Each reaches its place."""
    chosen = config(tmp_path, "-max_big=0", "-plan_fps=device", "-exit_low_traffic")
    assert (chosen.sample.max_big, chosen.sample.plan, chosen.exit_when_silent) == (0, "device", True)


def test_rates_are_forced_for_all_and_for_some(tmp_path: Path) -> None:
    """A rate, and a file of rates; neither by default."""
    chosen = config(tmp_path, "-sample_rate=50", "-sample_rate_file=/x/rates.json").sample
    assert (chosen.sample_rate, chosen.rate_file) == (50.0, Path("/x/rates.json"))
    unset = config(tmp_path).sample
    assert (unset.sample_rate, unset.rate_file) == (0.0, None)


@pytest.mark.parametrize(("number", "shown"), [((), "0"), (("-shard_num=2",), "2"), (("-shard_num=4",), "4")])
def test_a_shard_has_a_number(tmp_path: Path, number: tuple[str, ...], shown: str) -> None:
    """Of four: counted from 0 or from 1, 0 where it is not told."""
    chosen = config(tmp_path, "-total_shards=4", *number)
    assert (chosen.sample.shards, chosen.shard) == (4, shown)


def test_a_shard_that_there_is_not_is_refused(tmp_path: Path) -> None:
    """The line names the flag and both numbers."""
    with pytest.raises(ConfigError, match=r"shard_num.* is 5, but -total_shards is 4"):
        config(tmp_path, "-total_shards=4", "-shard_num=5")
