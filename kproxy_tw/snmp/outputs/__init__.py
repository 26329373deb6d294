"""What becomes of a reading: interface documents, metric records, reports, names for flows, a page."""
