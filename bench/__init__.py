"""Benchmarks: ``python -m bench`` prints one table. Speed is told beside a real peer's in the same run."""
