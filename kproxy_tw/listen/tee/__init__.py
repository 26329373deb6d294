"""Copies of the datagrams that come in, for other collectors: where to (config), how (senders), how many (service)."""
