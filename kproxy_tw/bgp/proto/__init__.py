"""The wire form of kbgp's gRPC service: ``ktbgp.proto``, and the code that ``make proto`` generates from it."""

import os

# Before gRPC is loaded: its own lines on stderr would stand between those of our log, and say nothing that we do not.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
