"""Every statement a worker sends about jobs. One act per file; each commits in its own room."""
