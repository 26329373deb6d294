"""How large one message may become."""

MAX_MESSAGE_FLOWS = 65_536
"""Flows of one message, and so of one device and second: 22.5 MB before packing, well below what readers allow."""
