"""Columns that are added to flows after decoding: one module for each kind."""
