"""How fast the queue is, beside its peers and beside what the machine can do at all: docs/performance.md.

`python -m benchmarks` runs every case and prints medians and ratios. Only figures of one run can be compared: absolute
ones depend on the machine, and on what else it does.
"""
