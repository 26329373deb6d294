"""Headers of sampled packets, many at once: ``parse`` begins, each layer is a module."""
