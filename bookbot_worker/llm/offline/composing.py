"""What the offline author answers: the prompt alone decides it. Who composes what, and how an answer goes on."""

import hashlib
import random
import re
from dataclasses import replace

from bookbot_worker.llm.client import Prompt
from bookbot_worker.llm.offline.as_json import as_json
from bookbot_worker.llm.offline.asked import Asked, Kind, understand
from bookbot_worker.llm.offline.copyedit import copyedit
from bookbot_worker.llm.offline.edit import edit
from bookbot_worker.llm.offline.outline import Planner
from bookbot_worker.llm.offline.review import write_review
from bookbot_worker.llm.offline.scene import SceneOrder, write_scene
from bookbot_worker.llm.offline.sheets import write_characters, write_settings

_GO_ON = re.compile(r"\b(?:continue|go on|carry on)\b", re.IGNORECASE)
_MOST_ASKED, _MOST_TURNS = 1_000, 40


def compose(prompt: Prompt) -> str:
    """The whole answer to `prompt`; the rest of it, where it is told to continue what it began."""
    if _is_to_go_on(prompt):
        begun = prompt.messages[-2].content.strip()
        whole = compose(replace(prompt, messages=prompt.messages[:-2]))
        if begun and begun != whole and whole.startswith(begun):
            return whole[len(begun) :].lstrip()
    seed = hashlib.sha256(repr(prompt.messages).encode("utf-8", "surrogatepass")).hexdigest()
    asked = understand(prompt)
    text = _text(asked, seed)
    return text if prompt.shape is None else as_json(asked.kind, text, prompt.shape.json_schema)


def _is_to_go_on(prompt: Prompt) -> bool:
    if not 2 < len(prompt.messages) <= _MOST_TURNS or prompt.messages[-2].role != "assistant":
        return False
    return bool(_GO_ON.search(prompt.messages[-1].content[:_MOST_ASKED]))


def _text(asked: Asked, seed: str) -> str:
    match asked.kind:
        case Kind.OUTLINE:
            return Planner(asked.brief, random.Random(seed)).outline()  # noqa: S311 - prose, not cryptography
        case Kind.CHARACTERS:
            return write_characters(asked.brief, asked.outline, seed)
        case Kind.SETTINGS:
            return write_settings(asked.brief, asked.outline, seed)
        case Kind.SCENE:
            return write_scene(_order(asked, asked.words), seed)
        case Kind.EDIT:
            return edit(asked.current, asked.review, asked.words, lambda n: write_scene(_order(asked, n), seed))
        case Kind.COPYEDIT:
            return copyedit(asked.current)
        case Kind.REVIEW:
            return write_review(asked.current, asked.outline, seed)
        case Kind.OTHER:
            return _excuse(asked.question)


def _order(asked: Asked, words: int) -> SceneOrder:
    return SceneOrder(asked.brief, asked.style, asked.outline, asked.characters, asked.settings, words, asked.current)


def _excuse(question: str) -> str:
    heard = " ".join(question.split())[:120]
    return (
        "This is BookBot's offline author, a text generator without a language model behind it. It writes outlines, "
        "character sheets, settings and scenes, edits and reviews scenes; to anything else it can only say what it "
        f"heard: “{heard}”"
    )
