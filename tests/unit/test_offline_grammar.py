"""The author's English: forms of verbs, agreement in the templates, the past and the first person of a plot."""

import random
import re
from collections.abc import Iterator

import pytest

from bookbot_worker.llm.offline.grammar import Cast, Deck, Writer
from bookbot_worker.llm.offline.lexicon import bases, is_plural, may_be_nouns, mostly_verbs
from bookbot_worker.llm.offline.person import Narrator, in_first_person
from bookbot_worker.llm.offline.retelling import in_past
from bookbot_worker.llm.offline.tables import table
from bookbot_worker.llm.offline.verbs import Tense, past, third

pytestmark = pytest.mark.unit

NAMES = frozenset(["Sam", "Wren", "Novak", "Ada", "Bea", "Mara", "Ilse", "Tobias", "Jonah", "Otto", "Ego"])
MARA = Narrator(("Mara Venn", "Mara"), "she", NAMES)
KNOWN = bases() | {"be", "ought", "should", "can"}


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def writer(tense: Tense, *, other: str = "he", place: str = "the mill", thing: str = "the key") -> Writer:
    cast = Cast("Ada", "she", "Tom", other, "Bea", place, (thing,), tense)
    fillers = {"sound": "a bell", "smell": "tar", "sight": "a light", "surface": "the table"}
    fillers |= {"time": "at noon", "weather": "It rained"}
    return Writer(cast, {name: Deck([filler], "x", 0) for name, filler in fillers.items()}, random.Random(1))


@pytest.mark.parametrize("name", ["prose", "talk", "plan", "senses"])
def test_every_marked_word_is_a_verb_whose_forms_are_known(name: str) -> None:
    marked = {match for text in strings(table(name)) for match in re.findall(r"(?<!\w)[*^_]([a-z]+)", text)}
    assert marked - KNOWN == set()


def test_every_habit_begins_with_a_known_verb() -> None:
    assert {habit.split()[0] for habit in table("plan")["habits"]} - KNOWN == set()


def test_the_lists_of_verbs_agree_with_each_other() -> None:
    verbs = table("verbs")
    assert set(verbs["regular"]) & set(verbs["irregular"]) == set()
    assert may_be_nouns() <= KNOWN
    assert mostly_verbs() <= may_be_nouns()
    assert set(verbs["doubled"]) <= KNOWN


@pytest.mark.parametrize(
    ("base", "form"),
    [
        ("fit", "fitted"), ("commit", "committed"), ("permit", "permitted"), ("quarrel", "quarrelled"),
        ("travel", "travelled"), ("skip", "skipped"), ("pat", "patted"), ("panic", "panicked"), ("visit", "visited"),
        ("open", "opened"), ("look", "looked"), ("sigh", "sighed"), ("scratch", "scratched"), ("redraw", "redrew"),
        ("relay", "relayed"), ("play", "played"), ("fix", "fixed"), ("row", "rowed"), ("cry", "cried"),
        ("sob", "sobbed"), ("quit", "quit"),
    ],
)  # fmt: skip
def test_the_past_of_a_verb_is_spelt_right(base: str, form: str) -> None:
    assert past(base) == form


def test_third_persons_come_back_to_their_verbs() -> None:
    assert [third(base) for base in ("carry", "panic", "storm", "polish", "go", "have")] == [
        "carries", "panics", "storms", "polishes", "goes", "has",
    ]  # fmt: skip


@pytest.mark.parametrize("sense", ["sound", "sight", "surface"])
def test_what_there_is_to_notice_is_one_thing(sense: str) -> None:
    """The templates say "there was" before it."""
    mass = {"rain", "dust", "ice", "snow", "wind", "rope", "static", "metal", "breath", "frost"}
    fillers = [filler for kind in table("senses")["kinds"].values() for filler in kind[sense]]
    starts = ("a ", "an ", "the ", "someone's ", "somebody's ")
    assert [filler for filler in fillers if not filler.startswith(starts) and filler.split()[0] not in mass] == []
    first = [filler.split()[1].strip(",") for filler in fillers if filler.startswith(("a ", "an "))]
    assert [noun for noun in first if is_plural(noun)] == []


@pytest.mark.parametrize("tense", Tense)
def test_no_template_has_a_plural_before_a_singular_verb(tense: Tense) -> None:
    templates = [*strings(table("prose")), *strings(table("talk")["beats_other"])]
    told = [writer(tense, other="they").told(template) for template in templates]
    wrong = re.compile(
        r"\b(?:people|they|signs|things|hands) (?:has|is|was|\w+[^s]s)\b|There was two|\w+ed ed\b",
        re.IGNORECASE,
    )
    assert [text for text in told if wrong.search(text)] == []


def test_a_verb_agrees_with_the_pronoun_of_the_other_one() -> None:
    template = "It ^be hard to be angry with {B}, and {he} ^know it."
    assert writer(Tense.PRESENT, other="they").told(template).endswith("and they know it.")
    assert writer(Tense.PRESENT, other="she").told(template).endswith("and she knows it.")


def test_a_verb_agrees_with_a_place_of_several() -> None:
    assert writer(Tense.PAST, place="the docks").told("{Place} ^be empty.") == "The docks were empty."
    assert writer(Tense.PAST, place="the glass").told("{Place} ^be empty.") == "The glass was empty."


@pytest.mark.parametrize(
    ("present", "told"),
    [
        (
            "Sam sneaks in, trips over a cable and breaks his arm.",
            "Sam sneaked in, tripped over a cable and broke his arm.",
        ),
        ("She records the talk and publishes it.", "She recorded the talk and published it."),
        ("Sam polishes it, sobs, pats the dog and panics.", "Sam polished it, sobbed, patted the dog and panicked."),
        ("Sam storms out.", "Sam stormed out."),
        ("Their uncle claims the house.", "Their uncle claimed the house."),
        (
            "A detective named Novak searches the flat and loses.",
            "A detective named Novak searched the flat and lost.",
        ),
        ("The radio plays.", "The radio played."),
        ("Rain falls on the roof.", "Rain fell on the roof."),
        ("Ada and Bea quarrel.", "Ada and Bea quarrelled."),
        ("The children laugh.", "The children laughed."),
        ("The lights go out and the ships sink.", "The lights went out and the ships sank."),
        ("Wren lies to the dragon.", "Wren lied to the dragon."),
        ("Mara lies on the bed and lies about it.", "Mara lay on the bed and lied about it."),
        ("The island lies to the north.", "The island lay to the north."),
        ("Mara buys bread, candles and matches.", "Mara bought bread, candles and matches."),
        ("He closes the door and waits.", "He closed the door and waited."),
        ("The lighthouse steps are wet.", "The lighthouse steps were wet."),
        ("The palace guards arrest Mara.", "The palace guards arrested Mara."),
        ("Her will is strong.", "Her will was strong."),
        ("They want to stop and think.", "They wanted to stop and think."),
        ("Mara, who is tired, looks at Ilse.", "Mara, who was tired, looked at Ilse."),
        ("Inside sits a man who waits.", "Inside sat a man who waited."),
        ("Mara sees the ship sink.", "Mara saw the ship sink."),
        ("She bought candles and matches.", "She bought candles and matches."),
        ("It’s late and she’s gone.", "It was late and she had gone."),
    ],
)
def test_a_plot_is_told_in_one_past(present: str, told: str) -> None:
    assert in_past(present, NAMES) == told


@pytest.mark.parametrize("sentence", ["The zorbles plants an orchard.", "Sie geht nach Hause.", "Mara."])
def test_what_is_not_sure_stays_as_it_is(sentence: str) -> None:
    assert in_past(sentence, NAMES) == sentence


@pytest.mark.parametrize("stage", ["beginning", "middle", "end"])
def test_every_beat_of_the_arc_is_told_in_the_past_and_by_the_narrator(stage: str) -> None:
    for pattern in table("plan")["arc"][stage]:
        beat = pattern.format(A="Mara", B="Tobias", place="the mill", thing="the key")
        told = in_past(beat, NAMES)
        assert not re.search(r"\b(?:is|has|are|does|knows|finds|says|takes|tells|asks|turns|comes|waits|lets)\b", told)
        mine = in_first_person(beat, MARA, is_alone=True)
        assert not re.search(r"Mara|Ego|\bI \w+s\b|\bI and\b|(?:than|this) am\b|\bme [a-z]+s\b", mine)


@pytest.mark.parametrize(
    ("sentence", "mine"),
    [
        ("Ilse follows Mara.", "Ilse follows me."),
        ("Mara never speaks of it and does not sleep.", "I never speak of it and do not sleep."),
        ("Mara and Ilse climb.", "Ilse and I climb."),
        ("Mara goes home, because she is tired.", "I go home, because I am tired."),
        ("Tobias tells Mara to burn her hat.", "Tobias tells me to burn my hat."),
        ("Before Mara arrives, the house burns.", "Before I arrive, the house burns."),
        ("Tobias and Mara share what they know.", "Tobias and I share what we know."),
        ("Tobias sees Mara and Jonah at the mill.", "Tobias sees Jonah and me at the mill."),
        ("Mara pardons her.", "Mara pardons her."),
        ("Mara Venn’s lamp fails.", "My lamp fails."),
    ],
)
def test_a_plot_is_told_by_its_narrator(sentence: str, mine: str) -> None:
    assert in_first_person(sentence, MARA, is_alone=True) == mine


def test_a_pronoun_that_may_be_another_persons_keeps_the_name() -> None:
    sentence = "Mara meets Ilse, and she smiles."
    assert in_first_person(sentence, MARA, is_alone=False) == sentence
