"""The polling process, and the pipe to it."""
