"""Where the finite verbs of a sentence are, and what each is said of.

A small rule book, not a parser. It walks over the words once, remembers the subject that waits for its verb and the
last verb, and says when it is not sure.
"""

from collections.abc import Set as AbstractSet

from bookbot_worker.llm.offline.lexicon import (
    bases,
    is_plural,
    listed,
    may_be_nouns,
    mostly_verbs,
    past_forms,
    third_persons,
    unlisted_base,
)
from bookbot_worker.llm.offline.neighbours import (
    JOINS,
    NOUNISH_AUXILIARIES,
    OBJECTS,
    PARTICLES,
    Verb,
    Words,
    is_inverted,
)

_AUXILIARIES = frozenset({"is", "are", "am", "has", "have", "does", "do"})
_RELATIVES = frozenset({"who", "which", "that"})


class Clauses(Words):
    """A sentence read. `verbs` by the index of the word; `is_sure` unless a word may or may not be a verb.

    `names` are words that name people. `subjects` are the indices of words that have a verb, those joined included.
    """

    def __init__(self, text: str, names: AbstractSet[str]) -> None:
        super().__init__(text, names)
        self.verbs: dict[int, Verb] = {}
        self.subjects: set[int] = set()
        self.is_sure = True
        self._waiting = self._plural = self._joined = self._infinitive = False
        self._open = True
        self._subject = -1
        self._group: list[int] = []
        self._last: Verb | None = None
        self._noun = (-1, False)
        self._role = "subject"
        self._outer: list[tuple[int, bool, list[int]]] = []
        for index in range(len(self.words)):
            self._read(index)

    def _read(self, index: int) -> None:
        word = self._low[index]
        if self._broken[index]:
            self._open = True
            if self._outer and not self._waiting:
                self._subject, self._plural, self._group = self._outer.pop()
                self._waiting, self._open = True, False
        if word in _AUXILIARIES and not self._is_infinitive(index):
            self._verb(index, {"has": "have", "does": "do"}.get(word, word if word in ("have", "do") else "be"))
        elif self._is_verb(index):
            return
        elif self._is_modal(index):
            self._last = Verb("", self._subject, self._plural)
            self._waiting, self._infinitive, self._role = False, True, "object"
        elif word in ("and", "or", "but", "nor", "yet", "then"):
            self._joined, self._open = word == "and" and self._waiting, True
        elif (word in _RELATIVES and index and not self._broken[index] and self._noun[0] == index - 1) or word == "who":
            self._relative()
        elif word == "what" and index == 0:
            self._outer.append((-1, False, []))
        elif word in listed("openers") and not (word in listed("prepositions") and self._next(index) == ""):
            self._open, self._role = True, "subject"
            self._waiting = self._waiting and word not in ("when", "while", "because", "if")
        elif word in listed("prepositions"):
            self._role = "phrase"
            self._infinitive = self._infinitive or self._is_to_do(index)
        elif word in listed("singular_subjects") or word in listed("plural_subjects"):
            self._pronoun(index)
        elif self._is_name(index):
            self._name(index)
        elif word in ("this", "these", "those", "each") and self._goes_on_as_verb(index):
            self._subject_at(index, word in ("these", "those"), fresh=not self._joined)
        elif word in listed("determiners"):
            self._article(index)
        elif word not in listed("adverbs"):
            self._noun_at(index)

    def _relative(self) -> None:
        if self._waiting:
            self._outer.append((self._subject, self._plural, self._group))
        self._subject, self._plural = self._noun
        self._group = [self._subject]
        self._waiting, self._open, self._role = True, False, "subject"

    def _pronoun(self, index: int) -> None:
        """ "she" is always a subject, "it" after a verb or a preposition mostly none."""
        is_it = self._low[index] not in ("he", "she", "they", "i", "we", "who")
        if is_it and self._role != "subject" and not self._open and not self._goes_on_as_verb(index):
            self._noun = (index, False)
        else:
            self._subject_at(index, self._low[index] in listed("plural_subjects"), fresh=not self._joined)

    def _name(self, index: int) -> None:
        is_same = index > 0 and self._is_name(index - 1) and not self._broken[index]
        if is_same and self._subject == index - 1:
            self._group[-1:] = [index]
            self._subject = index
        elif self._open or self._role == "subject" or self._goes_on_as_verb(index):
            self._subject_at(index, False, fresh=not self._joined)
        self._noun = (index, False)
        self._open = False

    def _article(self, index: int) -> None:
        if self._open or (
            self._role == "phrase"
            and self._at(index - 1) not in listed("prepositions") | listed("determiners")
            and (self._last is None)
        ):
            self._role = "subject"
            if not self._joined and not self._outer:
                self._waiting = False
        elif self._role != "phrase" and self._at(index - 1) not in listed("determiners"):
            self._role = "object"
        self._open = False

    def _noun_at(self, index: int) -> None:
        word = self._low[index]
        self._noun = (index, is_plural(word))
        if word in past_forms() and self._at(index - 1) not in listed("determiners"):
            if self._waiting:
                self._last, self._role = Verb("", self._subject, self._plural), "object"
                self.subjects |= set(self._group)
                self._waiting = word not in ("was", "were", "had", "did")
        elif self._role == "subject" and (
            self._open or self._last is None or not self._waiting or self._joined or (self._subject == index - 1)
        ):
            self._subject_at(index, is_plural(word), fresh=not self._joined)
        self._open = False

    def _subject_at(self, index: int, several: bool, *, fresh: bool) -> None:
        follows = self._group and self._group[-1] == index - 1 and not self._broken[index]
        if follows and self._low[index - 1] not in listed("plural_subjects"):
            self._group[-1] = index
            self._plural = several or (self._plural and len(self._group) > 1)
        elif fresh:
            self._group, self._plural = [index], several
        else:
            self._group.append(index)
            self._plural = True
        self._subject, self._waiting, self._joined = index, True, False
        self._noun = (index, several)
        self._role, self._open = "subject", False

    def _verb(self, index: int, base: str) -> bool:
        if self._waiting or self._last is None:
            verb = Verb(base, self._subject if self._waiting else -1, self._plural and self._waiting)
        elif self._outer and not self._open:
            subject, several, self._group = self._outer.pop()
            verb = Verb(base, subject, several)
        else:
            verb = Verb(base, self._last.subject, self._last.is_plural)
        is_apart = self._at(index - 1) in ("than", "as")
        if is_apart or self._low[index] in ("are", "am", "have", "do"):
            verb = Verb(base, -1 if is_apart else verb.subject, not is_apart)
        self.verbs[index] = self._last = verb
        self.subjects |= set(self._group) if verb.subject in self._group else {verb.subject}
        self._waiting = self._open = self._joined = self._infinitive = False
        self._role = "object"
        return True

    def _is_verb(self, index: int) -> bool:
        """Read the word as a verb if it is one."""
        word, before, after = self._low[index], self._at(index - 1), self._next(index)
        if self.words[index].group()[0].isupper() and index:
            return False
        is_marked = self._is_marked(index, is_waited_for=self._waiting)
        if is_inverted(word, after) and not self._waiting and self._last is None:
            return self._verb(index, third_persons()[word])
        if (is_marked or before.endswith("'s") or self._is_in_phrase(index)) and word not in ("says", "goes"):
            return False
        base = third_persons().get(word, "")
        if base and base not in may_be_nouns():
            return self._verb(index, base)
        if base or unlisted_base(word):
            return self._is_third(index, base, before, after) and self._verb(index, base or unlisted_base(word))
        if word in bases() and not self._is_infinitive(index) and self._is_base(index, before, after):
            return self._verb(index, word)
        return False

    def _is_third(self, index: int, base: str, before: str, after: str) -> bool:
        if after in NOUNISH_AUXILIARIES | {"she", "he", "they", "i", "we"} or (after == "of" and not self._waiting):
            return False
        is_direct = self._waiting and not self._plural and (self._subject == index - 1 or before in listed("adverbs"))
        if is_direct and (self._is_name(self._subject) or self._low[self._subject] in listed("singular_subjects")):
            return bool(base) or self._low[self._subject] != "it"
        if before in _RELATIVES and self._waiting:
            return bool(base)
        if self._waiting and self._plural and self._subject == index - 1 and base:
            self.is_sure = False
        if self._is_noun_before_verb(index, base, after):
            return False
        if self._outer and not self._open and self._last and not self._waiting:
            return base in mostly_verbs()
        if before.endswith("ly") and len(before) > 4 and (self._waiting or self._open) and after != "":
            return True
        if self._waiting and not self._plural and not self._open:
            if self._verb_ahead(index) or (self._role == "phrase" and not base):
                return False
            is_object_next = after in listed("determiners") | OBJECTS
            self.is_sure = self.is_sure and (bool(base) or is_object_next)
            return bool(base) or is_object_next
        if not self._open or self._last is None or self._last.is_plural or self._waiting:
            return False
        return self._is_joined(index, base, before, after)

    def _is_joined(self, index: int, base: str, before: str, after: str) -> bool:
        """After a comma or "and", with a verb before: another verb of the same subject, or a noun."""
        back = index - 1 - (before in JOINS)
        is_after_verb = back in self.verbs or self._at(back) in listed("adverbs") | PARTICLES
        if after in listed("determiners") | OBJECTS or (
            base in mostly_verbs() and (before in JOINS or after not in ("", "and", "or"))
        ):
            return True
        if not is_after_verb and is_plural(self._at(back)):
            return False
        if after in listed("prepositions") | listed("adverbs") or is_after_verb or base in mostly_verbs():
            return True
        if after and self.words[index + 1].group()[0].isupper():
            return True
        self.is_sure = self.is_sure and not base
        return False

    def _is_base(self, index: int, before: str, after: str) -> bool:
        if (
            self._waiting
            and self._plural
            and (self._subject == index - 1 or before in listed("adverbs") or (self._noun[0] == index - 1))
        ):
            return not (self._low[index] in may_be_nouns() and self._verb_ahead(index))
        is_joined = before in JOINS or self._broken[index]
        if not (is_joined and self._open and self._last and self._last.is_plural) or self._waiting or self._infinitive:
            return False
        word = self._low[index]
        back = index - 1 - (before in JOINS)
        follows = after in listed("determiners") | listed("prepositions") | OBJECTS
        return word not in may_be_nouns() or follows or back in self.verbs or word in mostly_verbs()
