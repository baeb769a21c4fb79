"""What the worker tells the outside: process logs and the logs of jobs."""
