"""What jobs know about books: outlines, context, prompts. Pure functions over text, no database."""
