"""Intake of flows and of the small side inputs."""
