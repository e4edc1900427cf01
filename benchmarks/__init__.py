"""Measurements that the documentation quotes, one question a file: `python -m benchmarks` lists them."""
