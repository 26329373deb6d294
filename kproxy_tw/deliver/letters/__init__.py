"""Messages that the backend refuses for good."""
