"""What ``kproxy doctor`` looks at: this machine, and the way to the backend."""
