"""The flags about decoding, from the command line to what the intake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from kproxy_tw.commands.configuration import kproxy_config
from kproxy_tw.commands.kproxy import Options
from kproxy_tw.decode.options import AS_SENT, DecodeOptions


def decode_options(tmp_path: Path, *arguments: str) -> DecodeOptions:
    """What a command line chooses."""
    options = Options()
    options.parseOptions([f"-state_dir={tmp_path}", "-api_email=a@example.com", "-api_token=t", *arguments])
    return kproxy_config(options).decode


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("-sflow_agent_address", DecodeOptions(agent_address=True)),
        ("-sflow-agent-address", DecodeOptions(agent_address=True)),
        ("--sflow-agent-address=true", DecodeOptions(agent_address=True)),
        ("-sflow_agent_address=false", AS_SENT),
        ("-sflow_drop_egress", DecodeOptions(drop_egress=True)),
        ("-decap", DecodeOptions(decap=True)),
    ],
)
def test_flags_choose(tmp_path: Path, argument: str, expected: DecodeOptions) -> None:
    """With underscores or dashes, as the documents have it."""
    assert decode_options(tmp_path, argument) == expected


def test_nothing_is_chosen_by_default(tmp_path: Path) -> None:
    """Outer packets, all samples, the sender's address."""
    assert decode_options(tmp_path) == AS_SENT
