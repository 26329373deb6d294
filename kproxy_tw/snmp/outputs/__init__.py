"""What becomes of a reading: the interface document, metric records, the report to kcollect, names for flows, a page."""
