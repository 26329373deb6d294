"""Delivery: owns a message from the moment it is encoded until the backend has it or its loss is counted."""
