"""The ``-devices`` file: read at the start, and again when it changes."""
