"""A sentence about a person told by that person: the name becomes "I" or "me", and the verbs agree."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bookbot_worker.llm.offline.clauses import Clauses
from bookbot_worker.llm.offline.lexicon import bases, listed, past_forms, third_persons

# A word that stands for the person who tells, until it is clear whether it is "I" or "me".
_EGO = "Ego"
_PRONOUNS = {
    "she": {"she": _EGO, "hers": "mine", "herself": "myself"},
    "he": {"he": _EGO, "him": "Egom", "his": "Ego’s", "himself": "myself"},
}
_SAME_SEX = {
    "she": re.compile(r"\b(?:mother|daughter|sister|widow|wife|queen|girl|woman|aunt|grandmother)\b", re.IGNORECASE),
    "he": re.compile(r"\b(?:father|son|brother|widower|husband|king|boy|man|uncle|grandfather)\b", re.IGNORECASE),
}
_NO_NOUN_AFTER_HER = frozenset({"and", "or", "but", "who", "that", "when", "if", "why", "what", "how", "where", "so"})
_WITH_ANOTHER = re.compile(r"\bEgo and ((?:[A-ZÀ-Þ][\w’'-]+)(?: [A-ZÀ-Þ][\w’'-]+)*)")
_QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"")


@dataclass(frozen=True, slots=True)
class Narrator:
    """Who tells: every form of the name, the pronoun, and the words that name people."""

    forms: tuple[str, ...]
    pronoun: str
    names: AbstractSet[str]


def in_first_person(sentence: str, narrator: Narrator, *, is_alone: bool) -> str:
    """A present-tense `sentence` told by the narrator. Where a word is unclear, the sentence stays as it is.

    `is_alone` says that nobody else in the sentence can be meant by the narrator's pronoun.
    """
    if _QUOTED.search(sentence):
        return sentence
    anyone = "|".join(re.escape(form) for form in narrator.forms)
    text = re.sub(rf"(?<![\w’'-])(?:{anyone})(?![\w-])", _EGO, sentence)
    if text == sentence:
        return sentence
    if re.search(r"\bEgo and [A-Z]|[a-z] and Ego\b", text):
        if re.search(r"(?<!of )\b(?:them|themselves|theirs)\b", text):
            return sentence
        text = text.replace("of them", "of us")
        text = re.sub(r"\b(?:they|their)\b", lambda match: "we" if match.group() == "they" else "our", text)
    text = _without_pronouns(text, narrator.pronoun, is_alone=is_alone)
    told = _told(_WITH_ANOTHER.sub(r"\1 and Ego", text), narrator.names | {_EGO}) if text else ""
    return told[:1].upper() + told[1:] if told else sentence


def _without_pronouns(text: str, pronoun: str, *, is_alone: bool) -> str:
    """The pronouns for the narrator replaced; "" where they may stand for somebody else."""
    if pronoun == "they":
        # Also what stands for a person whose pronoun nobody knows.
        words = r"they|them|their|theirs|themself|her|him|his|hers|she|he"
        return "" if re.search(rf"\b(?:{words})\b", text, re.IGNORECASE) else text
    words = r"she|her|hers|herself" if pronoun == "she" else r"he|him|his|himself"
    if not re.search(rf"\b(?:{words})\b", text, re.IGNORECASE):
        return text
    if not is_alone or _SAME_SEX[pronoun].search(text):
        return ""

    def replaced(match: re.Match[str]) -> str:
        word = match[1].lower()
        if word != "her":
            return _PRONOUNS[pronoun][word]
        after = match[2].lower()
        closed = listed("prepositions") | listed("determiners") | listed("adverbs") | _NO_NOUN_AFTER_HER
        return "Egom" if not after or after in closed - {"own", "one", "two", "three", "past"} else "Ego’s"

    return re.sub(rf"\b({words})\b(?= ?([\w’]*))", replaced, text, flags=re.IGNORECASE)


def _told(text: str, names: AbstractSet[str]) -> str:
    """`text` with every Ego as I, me or my and its verbs in the first person; "" where it is not sure."""
    pieces: list[str] = []
    for sentence in re.split(r"(?<=[.!?…])(\s+)", text):
        told = _sentence(sentence, names) if sentence.strip() else sentence
        if not told:
            return ""
        pieces.append(told[:1].upper() + told[1:])
    return "".join(pieces)


def _sentence(text: str, names: AbstractSet[str]) -> str:
    read = Clauses(text, names)
    if not read.is_sure and _EGO in text:
        return ""
    forms: dict[int, str] = {}
    for index, match in enumerate(read.words):
        word = match.group()
        if word == "Egom":
            # "She pardons her": somebody else.
            if any(subject == _EGO for subject in _last_subject(read, index)):
                return ""
            forms[index] = "me"
        elif word in ("Ego’s", "Ego's"):
            forms[index] = "my"
        elif word == _EGO:
            forms[index] = _role(read, index)
            if not forms[index]:
                return ""
    for index, verb in read.verbs.items():
        subject = read.words[verb.subject].group() if verb.subject >= 0 else ""
        if subject == _EGO and not verb.is_plural:
            forms[index] = "am" if verb.base == "be" else verb.base
    told: list[str] = []
    end = 0
    for index, match in enumerate(read.words):
        told += [text[end : match.start()], forms.get(index, match.group())]
        end = match.end()
    return "".join(told) + text[end:]


def _last_subject(read: Clauses, index: int) -> list[str]:
    verbs = [at for at in read.verbs if at < index]
    subject = read.verbs[max(verbs)].subject if verbs else -1
    return [read.words[subject].group()] if subject >= 0 else []


def _role(read: Clauses, index: int) -> str:
    """ "I" for whoever has a verb, "me" after a verb or a preposition, "" where it may be either."""
    if index in read.subjects or _modal_follows(read, index):
        return "I"
    before = read.words[index - 1].group().lower() if index else ""
    if before in ("and", "or") and index > 1:
        back = index - 2
        while back and read.words[back].group()[0].isupper():
            back -= 1
        before = read.words[back].group().lower()
    is_verb = before in third_persons() or before in bases() or before in past_forms() or before.endswith("ing")
    return "me" if is_verb or before in listed("prepositions") or before == "but" else ""


def _modal_follows(read: Clauses, index: int) -> bool:
    after = read.words[index + 1].group().lower() if index + 1 < len(read.words) else ""
    return after in ("can", "could", "will", "would", "may", "might", "must", "should", "cannot", "had", "was", "did")
