"""How gRPC is told to poll."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kproxy_tw.commands.grpc_polling import poll_directly


def test_the_user_has_the_last_word() -> None:
    """Set where nothing is; what is there, stays."""
    environment: dict[str, str] = {}
    poll_directly(environment)
    assert environment["GRPC_EXPERIMENTS"].startswith("-event_engine_client")
    environment = {"GRPC_EXPERIMENTS": "-tcp_frame_size_tuning"}
    poll_directly(environment)
    assert environment == {"GRPC_EXPERIMENTS": "-tcp_frame_size_tuning"}


@pytest.mark.parametrize(("more", "complains"), [("", False), (",-no_such_thing", True)])
def test_grpc_knows_the_words(more: str, complains: bool) -> None:
    """gRPC complains of names that it does not know, and not of ours."""
    environment = dict(os.environ)
    environment.pop("GRPC_EXPERIMENTS", None)
    poll_directly(environment)
    environment["GRPC_EXPERIMENTS"] += more
    code = "import grpc; grpc.insecure_channel('127.0.0.1:1').close()"
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ("xperiment" in run.stderr) is complains, run.stderr
