"""Talk between the two people of a scene: an exchange from the tables for two voices, and what they do meanwhile."""

from bookbot_worker.llm.offline.grammar import Writer
from bookbot_worker.llm.offline.tables import table
from bookbot_worker.llm.offline.verbs import Person, conjugate


def exchange(writer: Writer) -> str:
    """One exchange as paragraphs, one for each turn; "" when all that fit have been had in this scene."""
    turns = _deal(writer)
    starts_other = writer.rng.random() < 0.5
    paragraphs = []
    for index, line in enumerate(turns):
        is_other = (index % 2 == 0) == starts_other
        paragraphs.append(_turn(writer, line, is_other, index, len(turns)))
    return "\n\n".join(paragraphs)


def _deal(writer: Writer) -> list[str]:
    exchanges: list[list[str]] = table("talk")["exchanges"]
    for _ in exchanges:
        turns = exchanges[int(writer.decks["exchanges"].deal())]
        needs_absent = any("{C}" in turn for turn in turns) and not writer.cast.absent
        if not needs_absent and turns[0] not in writer.spoken:
            writer.spoken.add(turns[0])
            return turns
    return []


def _turn(writer: Writer, line: str, is_other: bool, index: int, turns: int) -> str:
    """One turn: bare, with "said", or with an action before or after; the first two say who speaks."""
    listener = writer.cast.who if is_other else writer.cast.other
    writer.new_paragraph()
    speech = writer.told(line, {"you": listener})
    choice = writer.rng.random()
    if index >= 2 and choice < 0.6:
        return f"“{speech}”"
    if choice < 0.45 and index < 2:
        return _tagged(writer, speech, is_other)
    beat = writer.from_deck("beats_other" if is_other else "beats_me")
    if not beat:
        return f"“{speech}”"
    return f"{beat} “{speech}”" if index == turns - 1 or choice > 0.8 else f"“{speech}” {beat}"


def _tagged(writer: Writer, speech: str, is_other: bool) -> str:
    verb = "ask" if speech.endswith("?") else "say"
    if is_other:
        told = f"{writer.cast.other} {conjugate(verb, writer.cast.tense, Person.THIRD)}"
    else:
        person = Person.FIRST if writer.cast.is_first_person else Person.THIRD
        told = f"{writer.subject()} {conjugate(verb, writer.cast.tense, person)}"
    ended = speech[:-1] + "," if speech.endswith(".") else speech
    head, mark, rest = ended.partition(". ")
    if mark and verb == "say":
        return f"“{head},” {told}. “{rest.removesuffix(',')}{'.' if ended.endswith(',') else ''}”"
    return f"“{ended}” {told}."
