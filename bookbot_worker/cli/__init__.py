"""The command line: one file per family of commands. Each parses, calls and prints; decisions are made elsewhere.

stdout carries data, stderr everything else. Every error is one line; `explaining.py` maps it to an exit code.
"""
