"""First figures of the engine, on a PostgreSQL with durable defaults and on SQLite with synchronous=FULL.

`python -m benchmarks` prints a table (with --json, a document). Absolute figures depend on the machine and on
what else it does; compare runs of one machine only.
"""
