"""The LLM behind any server that speaks the OpenAI protocol. Import it only where it is used: the SDK takes 0.5 s."""

from bookbot_worker.llm.openai_compatible.author import OpenAICompatible

__all__ = ["OpenAICompatible"]
