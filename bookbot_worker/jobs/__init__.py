"""The jobs themselves. A file is named after its job type; `base.py` is what they all inherit."""
