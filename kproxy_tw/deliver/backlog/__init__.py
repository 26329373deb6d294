"""What only the disk has, on its way to the backend."""
