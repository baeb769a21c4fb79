"""The schema's history, inside the package, for both databases (Alembic). See `schema.py` for its use."""
