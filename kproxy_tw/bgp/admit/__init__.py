"""The way in: what a connection goes through before it is a session."""
