"""Periodic services of a worker, one per file: a thread, an interval, and a `run_once` that tests call by itself."""
