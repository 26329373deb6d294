"""Which devices are polled, where and with what: from the API, a local file and flags, past the local policy."""
