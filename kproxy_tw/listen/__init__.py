"""Sockets: the only way that telemetry bytes come in. Nothing is parsed here."""
