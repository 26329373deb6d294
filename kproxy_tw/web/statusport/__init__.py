"""What the status ports of kproxy and kbgp have in common."""
