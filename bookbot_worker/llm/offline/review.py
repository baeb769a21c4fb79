"""The offline author as reviewer: what can be counted in a scene, as points with their place and what to do."""

import random
import re
from collections import Counter
from collections.abc import Iterator

from bookbot_worker.llm.offline.lexicon import listed
from bookbot_worker.llm.offline.names import called
from bookbot_worker.llm.offline.text import lines_labelled, sentences

LEAVE_OUT, SPLIT = "leave this sentence out", "make two paragraphs of it"
"""What `edit.py` knows how to do."""

_EXPLAINS = re.compile(r"\b(?:knew|understood|realis?zed|felt|seemed|wondered|meant|know|understand|seem)s?\b")
_FILLER = re.compile(r"\b(?:suddenly|very|really|somehow|simply|quite)\b")
_SPEECH = re.compile(r"“[^”]{1,400}”")
_WORD = re.compile(r"[^\W\d_]{4,40}")
_COMMON = frozenset({"that", "this", "said", "asked", "were", "have", "been", "would", "could", "they", "them", "what"})
_LONG_PARAGRAPH = 60
_OFTEN = 5
_FEWEST, _MOST = 3, 7


def write_review(text: str, section: str, seed: str) -> str:
    """Three to seven points on the scene `text`, the most important first, and a sentence on what must stay."""
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    told = [sentences(paragraph) for paragraph in paragraphs]
    everything = [sentence for found in told for sentence in found]
    if not everything:
        return "- There is no text to review yet; write the scene first."
    points = [*_missing(section, text), *_on_language(everything, text), *_on_form(told)]
    points += _on_the_ends(everything, lines_labelled(section, "characters"))
    rng = random.Random(seed)  # noqa: S311 - prose, not cryptography
    best = max(everything, key=lambda sentence: (bool(_SPEECH.search(sentence)), -abs(len(sentence.split()) - 12)))
    reason = rng.choice(("it says much with little", "it is the scene in one line", "nobody else would say it so"))
    chosen = points[:_MOST]
    return "\n".join([*(f"- {point}" for point in chosen), "", f"What must stay as it is: “{quoted(best)}”; {reason}."])


def quoted(sentence: str) -> str:
    """The first words of a sentence, as they are quoted; without marks that would end the quotation."""
    words = re.sub(r"[“”\"]", "", sentence).split()
    return " ".join(words[:6]).rstrip(",;:.!?…–")


def _missing(section: str, text: str) -> Iterator[str]:
    """What the outline names and the scene does not."""
    for kind, advice in (("characters", "let this person act or be spoken of"), ("setting", "say where we are")):
        for name in lines_labelled(section, kind)[:3]:
            short = called(name).removeprefix("The ")
            if short and short.lower() not in text.lower():
                yield f"“{name}” belongs to this scene by the outline and is never named: {advice}."


def _on_language(everything: list[str], text: str) -> Iterator[str]:
    repeated = [sentence for sentence, times in Counter(everything).items() if times > 1 and len(sentence.split()) > 3]
    if repeated:
        yield f"“{quoted(repeated[0])}” is told twice: keep the first."
    explaining = [one for one in everything[1:-1] if _EXPLAINS.search(one) and "“" not in one and len(one.split()) > 4]
    if explaining:
        yield f"“{quoted(explaining[-1])}” explains what the scene shows anyway: {LEAVE_OUT}."
    filled = next((sentence for sentence in everything if _FILLER.search(sentence)), "")
    if filled and (found := _FILLER.search(filled)):
        yield f"“{quoted(filled)}” leans on “{found.group()}”: the sentence is stronger without it."
    common = listed("prepositions") | listed("determiners") | listed("adverbs") | listed("openers") | _COMMON
    counted = Counter(word.lower() for word in _WORD.findall(text) if word.islower() and word not in common)
    word, times = counted.most_common(1)[0] if counted else ("", 0)
    if times >= _OFTEN:
        place = next((sentence for sentence in everything if word in sentence.lower()), everything[0])
        yield f"“{word}” stands {times} times, first in “{quoted(place)}”: find other things to look at."


def _on_form(told: list[list[str]]) -> Iterator[str]:
    longest = max(told, key=lambda found: sum(len(sentence.split()) for sentence in found))
    length = sum(len(sentence.split()) for sentence in longest)
    if length > _LONG_PARAGRAPH and len(longest) > 1:
        yield f"“{quoted(longest[0])}” begins the longest paragraph, {length} words: {SPLIT}."
    spoken = [index for index, found in enumerate(told) if found and "“" in " ".join(found)]
    if not spoken:
        yield f"Nobody speaks. After “{quoted(told[len(told) // 2][-1])}” somebody could say the wrong thing."
    else:
        first = _SPEECH.search(" ".join(told[spoken[0]]))
        if first:
            yield f"“{quoted(first.group())}” could be anybody’s line: give it a word only this person would use."


def _on_the_ends(everything: list[str], people: list[str]) -> Iterator[str]:
    if not any(called(name) in everything[0] for name in people):
        yield f"“{quoted(everything[0])}” opens on the surroundings: begin later, when somebody wants something."
    middle = everything[len(everything) // 2]
    yield f"“{quoted(middle)}” is where the scene should turn: make plain what it costs."
    yield f"“{quoted(everything[-1])}” closes softly: end on what has changed, or one sentence earlier."
