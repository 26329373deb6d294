"""The pages: what the daemons say of themselves, as text, JSON, metrics and HTML."""
