"""From chunks to finished files: one manuscript, one pure function per format."""
