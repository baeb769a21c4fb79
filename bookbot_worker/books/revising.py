"""What each mode may do to a scene: how long the answer should be, and which answer must not replace the text.

Pure decisions over counts and texts; the modes are those of `shared.job_types.MODES`.
"""

from dataclasses import dataclass

from shared import words

_WORDS_OF_A_REVIEW = 300
_FEWEST = 50
_TOO_SHORT_TO_JUDGE = 40

# How much shorter or longer an answer may be than the scene: a copyedit moves commas; an edit that lost half the scene
# is a summary, or only the paragraphs that were changed.
_BOUNDS = {"copyedit": (0.7, 1.4), "edit": (0.5, 3.0)}


@dataclass(frozen=True, slots=True)
class Length:
    """About how many words are expected, and the sentence that asks for them; "" where the prompt says enough."""

    words: int
    wish: str


def length_of(mode: str, asked: int | None, current: int) -> Length:
    """How long the answer should be; `asked` is None where the job does not say, `current` the scene's words now."""
    if mode == "review":
        return Length(_WORDS_OF_A_REVIEW, "")
    if mode == "copyedit":
        return Length(max(current, _FEWEST), "")
    if mode == "edit":
        target = asked or max(current, _FEWEST)
        return Length(target, f"The scene has {current} words; it should have about {target} words.")
    target = asked or (max(current, _FEWEST) if mode == "rewrite" else 500)
    return Length(target, f"Write about {target} words.")


def why_not_kept(mode: str, before: str, after: str, expected: int) -> str:
    """Why `after` must not replace `before`, as a sentence; "" where it may. `expected`: words asked for."""
    had, has = words.count(before), words.count(after)
    least, most = _BOUNDS.get(mode, (0.0, float("inf")))
    if had < _TOO_SHORT_TO_JUDGE or least * min(had, expected) <= has <= most * max(had, expected):
        return ""
    return (
        f"The scene has {had} words and the answer {has}, which is no {mode}: nothing was changed. "
        "Retry it with --fresh, or use another model."
    )
