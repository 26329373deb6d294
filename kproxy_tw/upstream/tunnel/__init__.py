"""The way through an HTTP proxy."""
