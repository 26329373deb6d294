"""The child process that alone reads raw packets; it imports no more than it needs, and can do nothing else."""
