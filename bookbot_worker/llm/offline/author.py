"""OfflineAuthor: the LLM that needs no network, no key and no money, and is no language model.

Owns the protocol: streaming, speed, cancelling, token counts. What is said is composed by its neighbours.
"""

import hashlib
import random
import re
import threading
from collections.abc import Callable, Iterator

from bookbot_worker.llm.client import Completion, Listener, Prompt
from bookbot_worker.llm.offline.asked import Asked, Kind, understand
from bookbot_worker.llm.offline.outline import Planner
from bookbot_worker.llm.offline.scene import SceneOrder, write_scene
from bookbot_worker.llm.offline.sheets import write_characters, write_settings

PROVIDER = "offline"
MODEL = "offline-author-1"

_PIECE = re.compile(r"\S+\s*|\s+")
_CHARACTERS_PER_TOKEN = 4
_PIECES_PER_SECOND = 8
_WORDS_AT_ONCE = 50
_LONGEST_PAUSE = 0.25


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


class OfflineAuthor:
    """A demonstration generator behind the LLM protocol.

    It recognises prompts for an outline, characters, settings and scenes, reads names, places and plot from the
    brief in them, and composes an answer from tables of sentences, at the length asked for. The same prompt always
    gives the same answer. It understands nothing: its books show what the system does, not what a model can write.
    Its answers carry provider "offline", so that everyone who shows them can say so.

    `words_per_second` slows the stream down to look at (0: at once); `pause` waits that many seconds.
    """

    def __init__(self, words_per_second: float = 0.0, pause: Callable[[float], None] = _pause) -> None:
        if not words_per_second >= 0:
            raise ValueError(f"words_per_second is {words_per_second}; it must be 0 or more")
        self._words_per_second = words_per_second
        self._pause = pause

    def complete(self, prompt: Prompt, listener: Listener) -> Completion:
        """See `LLM.complete`; what `check` raises passes through, nothing else is raised."""
        check, on_text = listener.check, listener.on_text
        check()
        text = compose(prompt)
        asked = sum(len(message.content) for message in prompt.messages)
        for piece, words in self._pieces(text):
            check()
            on_text(piece)
            self._wait(words, check)
        check()
        return Completion(
            text=text,
            provider=PROVIDER,
            model=MODEL,
            finish_reason="stop",
            input_tokens=_tokens(asked),
            output_tokens=_tokens(len(text)),
            cost_usd=0.0,
            cost_source="provider",
        )

    def _pieces(self, text: str) -> Iterator[tuple[str, int]]:
        """The text in pieces of a few words, each with its number of words."""
        speed = self._words_per_second
        size = max(1, round(speed / _PIECES_PER_SECOND)) if speed else _WORDS_AT_ONCE
        words = _PIECE.findall(text)
        for start in range(0, len(words), size):
            chosen = words[start : start + size]
            yield "".join(chosen), len(chosen)

    def _wait(self, words: int, check: Callable[[], None]) -> None:
        left = words / self._words_per_second if self._words_per_second else 0.0
        while left > 0:
            self._pause(min(left, _LONGEST_PAUSE))
            left -= _LONGEST_PAUSE
            check()


def compose(prompt: Prompt) -> str:
    """The whole answer to `prompt`, which alone decides it."""
    seed = hashlib.sha256(repr(prompt.messages).encode("utf-8", "surrogatepass")).hexdigest()
    asked = understand(prompt)
    match asked.kind:
        case Kind.OUTLINE:
            return Planner(asked.brief, random.Random(seed)).outline()  # noqa: S311 - prose, not cryptography
        case Kind.CHARACTERS:
            return write_characters(asked.brief, asked.outline, seed)
        case Kind.SETTINGS:
            return write_settings(asked.brief, asked.outline, seed)
        case Kind.SCENE:
            return write_scene(_order(asked), seed)
        case Kind.OTHER:
            return _excuse(asked.question)


def _order(asked: Asked) -> SceneOrder:
    return SceneOrder(asked.brief, asked.style, asked.outline, asked.characters, asked.settings, asked.words)


def _excuse(question: str) -> str:
    heard = " ".join(question.split())[:120]
    return (
        "This is BookBot's offline author, a text generator without a language model behind it. It writes outlines, "
        f"character sheets, settings and scenes; to anything else it can only say what it heard: “{heard}”"
    )


def _tokens(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)
