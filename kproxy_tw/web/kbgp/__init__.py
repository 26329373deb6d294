"""kbgp's status port: the documented JSON, a page, metrics."""
