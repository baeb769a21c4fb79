"""Reading a brief: whatever it is, it is read in time that grows with it at most, and never raises."""

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookbot_worker.books import outline
from bookbot_worker.llm.client import Message, Prompt
from bookbot_worker.llm.offline.composing import compose
from bookbot_worker.llm.offline.mentions import named_in
from bookbot_worker.llm.offline.names import called
from bookbot_worker.llm.offline.outline import Planner
from bookbot_worker.llm.offline.pronouns import pronoun_of
from bookbot_worker.llm.offline.reading import read_brief
from bookbot_worker.llm.offline.text import MOST_CHARACTERS, bounded, sentences
from bookbot_worker.llm.offline.things import things_in

pytestmark = pytest.mark.unit

MEBIBYTE = 1 << 20
# Generous: it takes a tenth of a second. The old reader took many minutes.
FEW_SECONDS = 10.0

HOSTILE = {
    "one huge paragraph": "Mara goes home and finds the key of the old mill in her hand. ",
    "a name repeated": "Mara ",
    "one endless word": "Mara",
    "no names": "the cat sat on the mat and the dog ran. ",
    "punctuation": "!?.,;:…",
    "dots": ".",
    "emoji": "🐉🔥 ",
    "Chinese": "他走进了图书馆，发现了一封信。",
    "empty lines": " \n",
    "articles": "the ",
    "stars": "**a** ",
    "hashes": "#\n",
    "marks": "=== A ===\n",
    "underscores": "_",
    "digits": "1",
    "labels": "characters: a,",
    "joined": "Mara and ",
    "half characters": "\ud800",
    "long words with dots": "a" * 500 + ".b",
}


def synthetic(size: int) -> str:
    rng = random.Random(1)
    names = ("Mara", "Otto", "Ilse", "Tobias")
    told = ["# The Long Way", "## People"]
    told += [
        f"{rng.choice(names)} finds letter {index} at the mill and {rng.choice(names)} says nothing. She waits."
        + "\n\n" * (index % 9 == 0)
        for index in range(size // 60)
    ]
    return "\n".join(told)[:size]


def seconds(text: str) -> float:
    """CPU time of an outline; the text is made new, so that nothing is remembered."""
    start = time.process_time()
    Planner(text, random.Random(1)).outline()
    return time.process_time() - start


def prompts(text: str) -> list[str]:
    return [
        f"Plan a book: write an outline.\n\n=== BRIEF ===\n{text}",
        f"Write the character sheets.\n\n=== BRIEF ===\n{text}\n\n=== OUTLINE ===\n{text}",
        f"Describe the settings.\n\n=== BRIEF ===\n{text}\n\n=== OUTLINE ===\n{text}",
        (
            f"Write the scene.\n\n=== STYLE ===\nFirst person.\n\n=== BRIEF ===\n{text}\n\n"
            f"=== CHARACTERS ===\n{text}\n\n=== SCENE 1 IN THE OUTLINE ===\n{text}"
        ),
    ]


@pytest.mark.parametrize("shape", HOSTILE)
def test_a_mebibyte_of_any_shape_is_read_in_a_moment(shape: str) -> None:
    text = (HOSTILE[shape] * (MEBIBYTE // len(HOSTILE[shape]) + 1))[:MEBIBYTE]
    start = time.process_time()
    for prompt in prompts(text):
        compose(Prompt((Message("user", prompt),)))
    assert time.process_time() - start < FEW_SECONDS


@pytest.mark.parametrize(
    "line", ["## Part {0}\n\nMara finds letter {0} at home.\n\n", "Anna{0} meets Bert{0} Zorn{0}. "]
)
def test_ten_thousand_headings_or_names_are_no_trouble(line: str) -> None:
    assert seconds("".join(line.format(index) for index in range(10_000))) < FEW_SECONDS


def test_reading_grows_about_linearly() -> None:
    synthetic_times = {
        size: min(seconds(synthetic(size) + " " * again) for again in (1, 2, 3)) for size in (8192, 32768)
    }
    assert synthetic_times[32768] < 16 * max(synthetic_times[8192], 0.005)


def test_of_a_long_text_a_prefix_is_read_that_ends_with_a_paragraph() -> None:
    text = synthetic(200_000)
    head = bounded(text)
    assert MOST_CHARACTERS // 2 < len(head) <= MOST_CHARACTERS
    assert text.replace("\n\n\n", "\n\n").startswith(head)
    assert head.endswith(".")
    assert bounded(head) == head


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.one_of(st.sampled_from("ABab she.,:*#-_\n\"“”'’!?=({[^1"), st.characters()), max_size=400))
def test_no_text_makes_the_author_raise(text: str) -> None:
    for prompt in (text, *prompts(text)):
        compose(Prompt((Message("user", prompt),), max_words=60))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(("Mara", "and", "lies", "is", "who", "the keys", "never", ",", "they", "sit", "her")),
        max_size=14,
    )
)
def test_no_order_of_words_makes_the_author_raise(words: list[str]) -> None:
    brief = f"{' '.join(words)}. Mara meets Ilse."
    for style in ("First person.", "First person, present tense.", ""):
        order = f"Write the scene.\n\n=== STYLE ===\n{style}\n\n=== SCENE IN THE OUTLINE ===\n{brief}"
        assert compose(Prompt((Message("user", order),), max_words=60))


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Detective Lena Fox", "Lena"),
        ("Captain Nemo", "Captain Nemo"),
        ("King Aldric", "King Aldric"),
        ("Queen Isolde of Thorn", "Queen Isolde"),
        ("Professor Edith Crane", "Edith"),
        ("Mr Alfred Pym", "Mr Pym"),
        ("Sir Gawain Rhys", "Sir Gawain"),
        ("Sister Agnes", "Sister Agnes"),
        ("Dr. Yusuf Malik", "Yusuf"),
        ("The Dragon", "The Dragon"),
        ("Mara Venn", "Mara"),
        ("King", "King"),
        ("", ""),
    ],
)
def test_people_are_called_by_their_names_without_titles(name: str, short: str) -> None:
    assert called(name) == short


def test_a_title_is_nobodys_name_in_outline_and_sheets() -> None:
    brief = "Detective Lena Fox hunts a thief. Commander Ada Pike wants Lena gone. Lena Fox finds the map."
    planned = Planner(brief, random.Random(2)).outline()
    assert not re.search(r"\b(?:Detective|Commander) (?!Lena|Ada)", planned)
    sheets = compose(Prompt((Message("user", f"Write the characters.\n\n=== BRIEF ===\n{brief}"),)))
    assert "Also called: Lena" in sheets
    assert outline.parse(planned).scenes


@pytest.mark.parametrize(
    ("name", "text", "pronoun"),
    [
        ("Otto Brandt", "Otto waits at the mill. Ada Pike comes late. She laughs and takes her coat.", "they"),
        ("Ada Pike", "Otto waits at the mill. Ada Pike comes late. She laughs and takes her coat.", "she"),
        ("Omar", "Her partner, Omar, trusts nobody. He shaves twice a day.", "he"),
        ("Edith Crane", "Edith Crane (they/them) meets her sister.", "they"),
        ("Queen Isolde", "Queen Isolde rides out with his army.", "she"),
        ("Mara Venn", "- **Mara Venn**, keeps the light, as her father did until he died. She counts things.", "she"),
        ("Tom", "## Tom\n\nPronouns: they/them\n\nTom shaves his beard.", "they"),
    ],
)
def test_a_pronoun_comes_from_the_sentences_about_the_person_alone(name: str, text: str, pronoun: str) -> None:
    assert pronoun_of(name, text, ("Otto Brandt", "Ada Pike")) == pronoun


def test_people_named_twice_in_two_ways_are_one_person() -> None:
    brief = read_brief("Mr Alfred Pym opens a letter. Mr Pym reads it. Then Pym burns it, and Mr Pym laughs.")
    assert brief.people == ("Mr Alfred Pym",)
    assert named_in("Then Pym laughs.", brief.people) == ("Mr Alfred Pym",)


def test_a_label_in_bold_is_nobodys_name() -> None:
    assert read_brief("**Genre:** mystery\n\n- **Ada Pike**, a thief.").people == ("Ada Pike",)


def test_things_are_single_things() -> None:
    assert things_in("Ada hangs the portraits and the children break the compass. The gates close.") == ("the compass",)


def test_an_abbreviation_ends_no_sentence() -> None:
    assert sentences("Dr. Malik waits. It rains.") == ["Dr. Malik waits.", "It rains."]
