"""The way to the backend: which URLs, TLS policy, and the HTTPS sessions."""
