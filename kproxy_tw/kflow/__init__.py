"""The wire format of flows: layout, encoding, decoding."""
