"""What runs in the polling process: the devices' schedules and their polls."""
