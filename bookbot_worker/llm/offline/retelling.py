"""A present-tense sentence told in the past. A sentence of which it is not sure stays as it is, in one tense."""

import re
from collections.abc import Set as AbstractSet

from bookbot_worker.llm.offline.clauses import Clauses
from bookbot_worker.llm.offline.lexicon import bases, listed
from bookbot_worker.llm.offline.neighbours import Verb
from bookbot_worker.llm.offline.verbs import past

_QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"")
_SENTENCES = re.compile(r"(?<=[.!?…])[”\"’)]{0,2}\s+(?=\S)")
_MODALS = {
    "can": "could",
    "cannot": "could not",
    "can't": "couldn't",
    "will": "would",
    "won't": "wouldn't",
    "may": "might",
    "must": "had to",
    "isn't": "wasn't",
    "aren't": "weren't",
    "doesn't": "didn't",
    "don't": "didn't",
    "hasn't": "hadn't",
    "haven't": "hadn't",
    "they're": "they were",
    "we're": "we were",
    "i'm": "I was",
    "they've": "they had",
    "i've": "I had",
    "today": "that day",
    "tonight": "that night",
    "yesterday": "the day before",
}
_CONTRACTED = frozenset({"it's", "he's", "she's", "there's", "that's", "who's", "what's", "nobody's"})
_NO_MODAL_AFTER = frozenset({"a", "the", "his", "her", "its", "my", "your", "our", "their", "this", "that", "own"})
_LYING_THERE = frozenset(
    {
        "on",
        "in",
        "at",
        "beside",
        "under",
        "down",
        "awake",
        "still",
        "there",
        "back",
        *(
            "across",
            "next",
            "asleep",
            "dying",
            "dead",
            "wounded",
            "ill",
            "flat",
            "face",
            "along",
        ),
    }
)
_PEOPLE = frozenset({"he", "she", "who", "they", "i", "we", "nobody", "somebody", "someone", "everyone", "everybody"})


def in_past(sentence: str, names: AbstractSet[str]) -> str:
    """A present-tense sentence told in the past, quoted speech left alone. `names` are words that name people.

    Where one verb of a sentence is not sure, the sentence is left in the present.
    """
    quoted: list[str] = []

    def hidden(match: re.Match[str]) -> str:
        quoted.append(match.group())
        return f"“{len(quoted) - 1}{match.group()[-2] if match.group()[-2] in '.!?…' else ''}”"

    text = _QUOTED.sub(hidden, sentence)
    told: list[str] = []
    end = 0
    for match in (*_SENTENCES.finditer(text), None):
        told.append(_sentence_in_past(text[end : match.start() if match else None], names))
        told.append(match.group() if match else "")
        end = match.end() if match else end
    return re.sub(r"“(\d+)[.!?…]?”", lambda match: quoted[int(match[1])], "".join(told))


def _sentence_in_past(text: str, names: AbstractSet[str]) -> str:
    read = Clauses(text, names)
    low = [match.group().lower().replace("’", "'") for match in read.words]
    changes: dict[int, str] = {}
    for index, word in enumerate(low):
        if index in read.verbs:
            changes[index] = _past_of(read, read.verbs[index], index, low, names)
        elif changed := _modal(word, low, index):
            changes[index] = changed
    is_told = any(word in read.verbs or low[word] in _MODALS or low[word] in _CONTRACTED for word in changes)
    if not read.is_sure or not is_told:
        return text
    pieces: list[str] = []
    end = 0
    for index, match in enumerate(read.words):
        form = changes.get(index, match.group())
        pieces += [text[end : match.start()], form[:1].upper() + form[1:] if match.group()[0].isupper() else form]
        end = match.end()
    return "".join(pieces) + text[end:]


def _past_of(read: Clauses, verb: Verb, index: int, low: list[str], names: AbstractSet[str]) -> str:
    if verb.base == "be":
        return "were" if low[index] == "are" else "was"
    if verb.base == "lie":
        return _past_of_lie(read, verb, index, low, names)
    return past(verb.base)


def _past_of_lie(read: Clauses, verb: Verb, index: int, low: list[str], names: AbstractSet[str]) -> str:
    """ "lied" of people who do not lie somewhere, else "lay"."""
    after = low[index + 1] if index + 1 < len(low) else ""
    subject = read.words[verb.subject].group() if verb.subject >= 0 else ""
    is_person = subject in names or subject.lower() in _PEOPLE
    return "lied" if after == "about" or (is_person and after not in _LYING_THERE) else "lay"


def _modal(word: str, low: list[str], index: int) -> str:
    """The past of a modal or a word of time; "" for everything else and for "her will"."""
    before, after = low[index - 1] if index else "", low[index + 1] if index + 1 < len(low) else ""
    if word in _CONTRACTED:
        return f"{word[:-2]} {'had' if after.endswith('ed') or after in ('been', 'gone', 'got') else 'was'}"
    if word in ("will", "may", "must", "can"):
        goes_on = after in bases() or after in listed("adverbs") or after in ("be", "") or after.endswith("ly")
        if before in _NO_MODAL_AFTER or before.endswith("'s") or not (goes_on or before in listed("plural_subjects")):
            return ""
        if word == "must" and after in ("not", "have"):
            return ""
    return _MODALS.get(word, "")
