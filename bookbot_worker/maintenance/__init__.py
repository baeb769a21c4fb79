"""Periodic services of a worker, one per file: heartbeat, rescue, schedules, pruning.

Empty so far. A service is a thread with an interval and a `run_once`, as `telemetry/log_writer.py` is.
"""
