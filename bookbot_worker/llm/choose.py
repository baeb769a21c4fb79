"""Which author answers the prompts of this process, as the settings say."""

from bookbot_worker.llm.client import LLM
from bookbot_worker.llm.offline import OfflineAuthor
from shared.errors import ConfigurationError
from shared.llm_address import needs_key
from shared.settings import Settings


def author_for(settings: Settings) -> LLM:
    """Make it; nothing is opened yet. Raises ConfigurationError that names all settings that are missing."""
    if settings.llm == "offline":
        return OfflineAuthor(words_per_second=settings.offline_words_per_second)
    key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else ""
    missing = [
        name
        for name, is_missing in {
            "BOOKBOT_LLM_BASE_URL": not settings.llm_base_url,
            "BOOKBOT_LLM_API_KEY": not key and needs_key(settings.llm_base_url),
            "BOOKBOT_LLM_MODEL": not settings.llm_model,
        }.items()
        if is_missing
    ]
    if missing:
        raise ConfigurationError(f"with BOOKBOT_LLM=openai_compatible, {' and '.join(missing)} must be set")
    from bookbot_worker.llm.openai_compatible import OpenAICompatible  # takes half a second to import
    from bookbot_worker.llm.openai_compatible.author import Server
    from bookbot_worker.llm.openai_compatible.stream import Patience

    patience = Patience(
        connect=settings.llm_connect_seconds,
        first_token=settings.llm_first_token_seconds,
        between_tokens=settings.llm_between_tokens_seconds,
    )
    return OpenAICompatible(
        Server(settings.llm_base_url, key, settings.llm_model, patience, settings.llm_answer_characters)
    )
