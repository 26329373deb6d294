"""The connections of one device, and what goes on over each."""
