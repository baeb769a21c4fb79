"""What the worker tells the outside: process logs, the logs of jobs, health, figures and traces."""
