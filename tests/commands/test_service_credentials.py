"""Secrets that systemd hands to a service as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from kproxy_tw.commands.kproxy import Options
from kproxy_tw.commands.service_credentials import MAX_BYTES, service_credential
from kproxy_tw.errors import ConfigError


def test_the_file_wins_over_the_variable_and_the_flag_over_both(tmp_path: Path) -> None:
    """As the manual page says."""
    (tmp_path / "KENTIK_API_TOKEN").write_text("from-the-file\n")
    options = Options({"CREDENTIALS_DIRECTORY": str(tmp_path), "KENTIK_API_TOKEN": "from-the-variable"})
    options.parseOptions([])
    assert options["api_token"] == "from-the-file"
    assert options.effective()["api_token"] == "***"
    options = Options({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    options.parseOptions(["-api_token=from-the-flag"])
    assert options["api_token"] == "from-the-flag"


def test_only_secrets_are_looked_for(tmp_path: Path) -> None:
    """A file of another name is none of ours."""
    (tmp_path / "KENTIK_API_EMAIL").write_text("somebody@example.net")
    options = Options({"CREDENTIALS_DIRECTORY": str(tmp_path), "KENTIK_API_EMAIL": "me@example.net"})
    options.parseOptions([])
    assert options["api_email"] == "me@example.net"


def test_none_there(tmp_path: Path) -> None:
    """Without systemd, and with a folder that has no such file."""
    assert service_credential("KENTIK_API_TOKEN", {}) == ""
    assert service_credential("KENTIK_API_TOKEN", {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == ""


@pytest.mark.parametrize("content", [b"x" * (MAX_BYTES + 1), b"\xff\xfe"])
def test_what_is_no_token_is_refused_without_being_repeated(tmp_path: Path, content: bytes) -> None:
    """Too long, or not text."""
    (tmp_path / "KENTIK_API_TOKEN").write_bytes(content)
    with pytest.raises(ConfigError, match="no line of plain text"):
        service_credential("KENTIK_API_TOKEN", {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_a_file_that_cannot_be_read_is_no_missing_one(tmp_path: Path) -> None:
    """It says so."""
    (tmp_path / "KENTIK_API_TOKEN").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        service_credential("KENTIK_API_TOKEN", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
