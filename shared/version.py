"""The version of this project, read by setup.cfg, the CLI and every worker row."""

__version__ = "0.1.0"
