"""How gRPC waits for its sockets; to be settled before gRPC is imported."""

from __future__ import annotations

from collections.abc import MutableMapping

EXPERIMENTS = "GRPC_EXPERIMENTS"
"""The environment variable by which gRPC is told (``doc/environment_variables.md`` of gRPC)."""

DIRECT = "-event_engine_client,-event_engine_listener"
"""gRPC's one polling thread handles what has come, instead of waking threads of a pool for it: a relay of many small
messages takes a third less of the processor. A gRPC that no longer knows the names logs it, and works as it does."""


def poll_directly(environment: MutableMapping[str, str]) -> None:
    """Let gRPC handle events where it polls, unless the user has told it something else."""
    environment.setdefault(EXPERIMENTS, DIRECT)
