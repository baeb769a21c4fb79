"""Asking large language models: one protocol, several authors. Knows nothing of jobs or the queue."""
