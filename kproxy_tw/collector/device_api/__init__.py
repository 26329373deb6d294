"""The device API that agents ask."""
