"""Token counts where no provider gives any: rough, and marked as an estimate wherever they are stored."""

CHARACTERS_PER_TOKEN = 4
"""English prose with the tokenizers in use; other languages have fewer characters to a token."""


def estimated_tokens(characters: int) -> int:
    """About how many tokens a text of so many characters is."""
    return -(-characters // CHARACTERS_PER_TOKEN)
