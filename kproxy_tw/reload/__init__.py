"""What is read again while the daemon runs."""
