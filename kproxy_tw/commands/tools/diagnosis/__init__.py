"""What ``kproxy doctor`` looks at: this machine, the way to the backend, and the agents to poll."""
