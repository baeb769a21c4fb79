"""Whether the LLM server answers, and takes the key."""

import httpx2

from bookbot_worker.cli.checks import Finding, fail, ok, warn
from shared.settings import Settings

SECONDS = 5.0


def check_llm(settings: Settings) -> Finding:
    """Asks for the list of models, which costs nothing."""
    if settings.llm == "offline":
        return ok("llm", "the offline author writes; no server is asked")
    if not settings.llm_base_url or not settings.llm_model:
        missing = "BOOKBOT_LLM_BASE_URL" if not settings.llm_base_url else "BOOKBOT_LLM_MODEL"
        return fail("llm", f"{missing} is not set", f"set {missing}, or BOOKBOT_LLM=offline")
    key = settings.llm_api_key
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
    where = f"{settings.llm_base_url}/models"
    try:
        answer = httpx2.get(where, headers=headers, timeout=SECONDS, follow_redirects=False)
    except httpx2.HTTPError as error:
        return fail(
            "llm", f"{settings.llm_base_url} does not answer: {type(error).__name__}",
            "start the server, or correct BOOKBOT_LLM_BASE_URL; jobs wait and try again until then",
        )  # fmt: skip
    if answer.status_code in (401, 403):
        return fail("llm", f"the server refuses the key ({answer.status_code})", "correct BOOKBOT_LLM_API_KEY")
    if answer.status_code >= 500:
        return warn("llm", f"the server answers {answer.status_code}", "wait: jobs try again by themselves")
    if answer.status_code != 200:
        return warn("llm", f"{where} answers {answer.status_code}", "see whether BOOKBOT_LLM_BASE_URL ends as in /v1")
    return ok("llm", f"{settings.llm_base_url} answers and takes the key")
