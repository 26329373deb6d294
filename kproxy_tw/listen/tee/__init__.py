"""Copies of what comes in, for other collectors: where to (config), how (senders), what became of them (tee)."""
