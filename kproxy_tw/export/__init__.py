"""Export of our own log and metrics to the backend: bounded, in the background, never in anybody's way."""
