"""The offline author: an LLM of word lists and a grammar, deterministic and without a network. See `author.py`."""

from bookbot_worker.llm.offline.author import MODEL, PROVIDER, OfflineAuthor

__all__ = ["MODEL", "PROVIDER", "OfflineAuthor"]
