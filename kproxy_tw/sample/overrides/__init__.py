"""Sampling rates that the operator sets per exporter (``-sample_rate_file``), whatever the exporter says."""
