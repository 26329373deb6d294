"""What crossed the devices: traffic over time and who talks most, estimated as value times sample rate."""
