"""The picture of the state machine is the state machine: its arrows are read and compared with the table."""

import re

import pytest

import shared.states
from shared.states import TERMINAL, TRANSITIONS, JobState
from tests.support.docs import ROOT, blocks

pytestmark = pytest.mark.unit

PAGE = ROOT / "docs" / "engine.md"

Arrows = set[tuple[JobState, JobState]]


def picture(text: str) -> list[str]:
    """The lines of the drawing in `text`, moved to the left margin."""
    lines = [line for line in text.splitlines() if any(char in line for char in "─│▼►")]
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    return [line[margin:] for line in lines]


def of_page() -> list[str]:
    (drawing,) = (block for block in blocks(PAGE, "text") if "enqueue" in block)
    return picture(drawing)


def arrows(lines: list[str]) -> Arrows:
    """Every arrow of the drawing, found by following its lines from column to column."""
    (row,) = (number for number, line in enumerate(lines) if "claim" in line)
    main = lines[row]
    bus = main.index("┼")  # the line down which settle branches

    def state_at(column: int) -> JobState:
        """The state of the main row whose name spans the column."""
        (name,) = (found[0] for found in re.finditer(r"\w+", main) if found.start() <= column < found.end())
        return JobState(name)

    def target(line: str) -> JobState:
        return JobState(line.rpartition("► ")[2])

    claim = re.search(r"(\w+) ── claim ──► (\w+) ── settle ─", main)
    assert claim is not None
    waiting, running = JobState(claim[1]), JobState(claim[2])
    ends = [line for line in lines[row:] if line[bus] in "┼├┴"]
    found: Arrows = {(waiting, running), *((running, target(line)) for line in ends)}

    (back,) = (line for line in lines if "snooze" in line)  # from settle's line over the top to ▼
    assert (back.index("┐"), lines[row - 1][bus], lines[row - 1][back.index("┌")]) == (bus, "│", "▼")
    found.add((running, state_at(back.index("┌"))))

    (again,) = (number for number, line in enumerate(lines) if "retry_job" in line)  # from the ends to ▲
    corner = lines[again].index("└")
    assert (lines[again - 1][corner], lines[again][bus]) == ("▲", "┼")
    found |= {(target(line), state_at(corner)) for line in ends}

    (cancel,) = (line for line in lines if "── cancel ──" in line)  # from below two states to the last end
    feeders = [cancel.index("└"), *(place for place, char in enumerate(cancel) if char == "┴" and place != bus)]
    assert all(line[place] == "│" for line in lines[row + 1 : lines.index(cancel)] for place in feeders)
    return found | {(state_at(place), target(cancel)) for place in feeders}


def test_the_page_shows_the_picture_of_the_code() -> None:
    assert of_page() == picture(shared.states.__doc__ or "")


def test_the_arrows_of_the_picture_are_the_transitions() -> None:
    assert arrows(of_page()) == {(start, end) for start, ends in TRANSITIONS.items() for end in ends}


def test_the_table_below_the_picture_lists_the_same_arrows() -> None:
    rows = re.findall(
        r"^\| ([a-z_, ]+) \| ([a-z, ]+) \| ([a-z, ]+) \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    listed = {
        (JobState(start), JobState(end))
        for arrow, starts, ends in rows
        if arrow != "arrow"
        for start in starts.split(", ")
        for end in ends.split(", ")
    }
    assert listed == {(start, end) for start, ends in TRANSITIONS.items() for end in ends}


def test_terminal_states_are_those_with_no_way_on_but_retry() -> None:
    assert {state for state, ends in TRANSITIONS.items() if ends == {JobState.WAITING}} == TERMINAL
    assert {state for state in JobState if state.is_terminal} == TERMINAL
