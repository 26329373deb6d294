"""The order in which a daemon's parts start and stop."""
