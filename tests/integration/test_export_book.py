"""`export_book` on a real database: which chunks it prints, what it stores, and what it holds meanwhile."""

import hashlib
import io
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from bookbot_worker.exporters import FORMATS
from bookbot_worker.jobs.base import JobContext
from bookbot_worker.jobs.export_book import ExportBookJob
from bookbot_worker.outcomes import JobCancelled
from bookbot_worker.processor import JobProcessor
from shared.control import cancel_job
from shared.enqueue import create_job
from shared.errors import InvalidInput
from shared.ids import new_id
from shared.job_types import ExportBookProps, catalogue
from shared.models import Book, Chunk, Job, OutputFile
from shared.settings import Settings
from tests.support.bad_formats import bad_format
from tests.support.pictures import png
from tests.support.processes import state_of
from tests.support.running import eventually, row, running

pytestmark = pytest.mark.integration


@dataclass
class Desk:
    """A database with one book, and what an export told the engine."""

    engine: Engine
    session: Session
    book_id: str
    told: list[tuple[float, str]] = field(default_factory=list)
    connections_while_rendering: set[int] = field(default_factory=set)
    is_cancelled: Callable[[], bool] = lambda: False
    logged: list[tuple[str, str]] = field(default_factory=list)

    def scene(self, text: str, position: float, **columns: Any) -> None:
        """Store a scene."""
        values = {"chapter": 1, "props": {"chapter_title": "The Weight of Salt"}, "word_count": len(text.split())}
        chunk = Chunk(chunk_id=new_id(), book_id=self.book_id, type="scene", text=text, position=position)
        for name, value in (values | columns).items():
            setattr(chunk, name, value)
        self.session.add(chunk)
        self.session.commit()

    def export(self, book_id: str | None = "", **props: Any) -> tuple[bool, Job]:
        """Run one export as the engine would, without settling it."""
        job = Job(
            job_id=new_id(), book_id=self.book_id if book_id == "" else book_id, job_type="export_book", props=props
        )
        context = JobContext(
            session=self.session,
            props=ExportBookProps.model_validate(props),
            log=lambda message, level, _props: self.logged.append((level, message)),
            progress=self._progress,
            check_cancelled=self._check_cancelled,
            parked=self._parked,
            wait=lambda _duration: None,
        )
        return ExportBookJob(job, context).execute(), job

    def files(self) -> list[OutputFile]:
        """The stored files, read anew after the engine's commit."""
        self.session.commit()
        self.session.expire_all()
        return list(self.session.scalars(select(OutputFile)))

    def newest(self) -> OutputFile:
        """The file that was stored last."""
        return max(self.files(), key=lambda file: file.file_id)

    def picture(self, book_id: str, content: bytes) -> str:
        """Store a picture; returns its id."""
        about = {"name": "cover.png", "format": "cover", "media_type": "image/png", "sha256": "0" * 64}
        file = OutputFile(file_id=new_id(), book_id=book_id, size_bytes=len(content), content=content, **about)
        self.session.add(file)
        self.session.commit()
        return file.file_id

    def markdown(self, **props: Any) -> str:
        """The text of a Markdown export."""
        assert self.export(format="markdown", **props)[0]
        return self.newest().content.decode()

    def _progress(self, fraction: float, message: str) -> None:
        self.told.append((fraction, message))
        self.connections_while_rendering.add(self.engine.pool.checkedout())  # type: ignore[attr-defined]

    def _check_cancelled(self) -> None:
        if self.is_cancelled():
            raise JobCancelled

    @contextmanager
    def _parked(self) -> Iterator[None]:
        self.session.commit()
        yield


@pytest.fixture
def desk(engine: Engine, session: Session) -> Desk:
    """A desk with an empty book on it."""
    book = Book(book_id=new_id(), title="The Salt Ledger", props={})
    session.add(book)
    session.commit()
    return Desk(engine, session, book.book_id)


@pytest.mark.parametrize(
    ("format_", "name", "media_type", "beginning"),
    [
        ("epub", "The Salt Ledger.epub", "application/epub+zip", b"PK\x03\x04"),
        ("html", "The Salt Ledger.html", "text/html; charset=utf-8", b"<!DOCTYPE html>\n"),
        ("markdown", "The Salt Ledger.md", "text/markdown; charset=utf-8", b"# The Salt Ledger\n"),
    ],
)
def test_an_export_becomes_a_file_of_the_book(
    desk: Desk, format_: str, name: str, media_type: str, beginning: bytes
) -> None:
    desk.scene("The tide had gone out.", 1)
    succeeded, job = desk.export(format=format_)
    assert succeeded
    (file,) = desk.files()
    assert (file.name, file.media_type, file.format) == (name, media_type, format_)
    assert (file.book_id, file.job_id) == (desk.book_id, job.job_id)
    assert file.content.startswith(beginning)
    assert job.result == {
        "file_id": file.file_id,
        "name": name,
        "size_bytes": len(file.content),
        "sha256": hashlib.sha256(file.content).hexdigest(),
        "words": 5,
    }
    assert (file.size_bytes, file.sha256) == (job.result["size_bytes"], job.result["sha256"])


def test_only_the_latest_scenes_that_are_not_deleted_are_printed_in_order(desk: Desk) -> None:
    desk.scene("third", 3, chapter=2, props={})
    desk.scene("first", 1)
    desk.scene("second", 2)
    desk.scene("superseded", 1, is_latest=False)
    desk.scene("deleted", 1, is_deleted=True)
    desk.scene("an outline", 1, type="outline")
    desk.scene("", 4, chapter=3)
    text = desk.markdown()
    assert text.split("## Colophon")[0] == (
        "# The Salt Ledger\n\nby BookBot\n\n"
        "## The Weight of Salt\n\nfirst\n\n* * *\n\nsecond\n\n"
        "## Chapter 2\n\nthird\n\n"
    )


def test_the_props_win_over_the_book_and_the_book_over_the_default(desk: Desk) -> None:
    desk.scene("Text.", 1)
    desk.session.get_one(Book, desk.book_id).props = {"author": "Ana Ferreira", "language": "pt"}
    desk.session.commit()
    assert "by Ana Ferreira\n" in desk.markdown()
    assert desk.markdown(title="O Livro", author="A. F.").startswith("# O Livro\n\nby A. F.\n")
    for props, language in (({}, b"pt"), ({"language": "de"}, b"de")):
        desk.export(**props)
        with zipfile.ZipFile(io.BytesIO(desk.newest().content)) as archive:
            assert b"<dc:language>" + language in archive.read("EPUB/package.opf")


def test_the_same_book_gives_the_same_file(desk: Desk) -> None:
    desk.scene("Text.", 1)
    first, second = (desk.export()[1].result for _ in range(2))
    assert first["sha256"] == second["sha256"]
    assert first["file_id"] != second["file_id"]


def test_no_connection_is_held_while_the_book_is_rendered(desk: Desk) -> None:
    for chapter in range(1, 5):
        desk.scene("Text.", chapter, chapter=chapter)
    assert desk.export()[0]
    assert desk.told == [(chapter / 4, f"chapter {chapter} of 4") for chapter in range(1, 5)]
    assert desk.connections_while_rendering == {0}


def test_a_cancelled_export_stops_between_chapters_and_leaves_no_file(desk: Desk) -> None:
    for chapter in range(1, 5):
        desk.scene("Text.", chapter, chapter=chapter)
    desk.is_cancelled = lambda: len(desk.told) == 2
    with pytest.raises(JobCancelled):
        desk.export()
    assert len(desk.told) == 2
    assert desk.files() == []


@pytest.mark.parametrize("text", [None, "", " \n "])
def test_a_book_without_text_fails_and_says_what_to_do(desk: Desk, text: str | None) -> None:
    if text is not None:
        desk.scene(text, 1)
    succeeded, job = desk.export()
    assert not succeeded
    assert job.error_message == "nothing written yet: run generate_book first"
    assert desk.files() == []


def test_an_unknown_book_fails_by_its_id(desk: Desk) -> None:
    unknown = str(uuid.uuid4())
    succeeded, job = desk.export(book_id=unknown)
    assert not succeeded
    assert job.error_message == f"there is no book {unknown!r}"


def test_an_export_without_a_book_fails_and_asks_for_one(desk: Desk) -> None:
    succeeded, job = desk.export(book_id=None)
    assert not succeeded
    assert job.error_message == "book_id: an export needs a book"


def test_options_decide_what_is_in_the_book_and_how_it_is_numbered(desk: Desk) -> None:
    desk.scene("One.", 1, chapter=4)
    desk.scene("# Plan\n\n### A scene [[Scene 1]]\n\nIt happens.", -40, type="outline", props={}, chapter=None)
    desk.scene("## Ana", -30, type="characters", props={}, chapter=None)
    plain = desk.markdown()
    assert "Plan" not in plain
    assert "Ana" not in plain
    whole = desk.markdown(include_outline=True, include_characters=True, draft=True, language="de")
    assert "\n\n*Entwurf*\n\n" in whole
    assert "## Gliederung\n\n### Plan\n\n##### A scene\n\nIt happens.\n\n## Figuren\n\n#### Ana\n\n" in whole
    desk.export(format="html", chapter_numbers="roman", font="sans")
    page = desk.newest().content
    assert b'<p class="number">IV</p>' in page
    assert b'<body class="sans">' in page
    desk.export(format="html", chapter_numbers="none")
    assert b'class="number"' not in desk.newest().content


def test_a_cover_is_a_picture_of_the_same_book(desk: Desk) -> None:
    desk.scene("One.", 1)
    other = Book(book_id=new_id(), title="Another", props={})
    desk.session.add(other)
    desk.session.flush()
    mine, foreign, text = (
        desk.picture(book_id, content)
        for book_id, content in ((desk.book_id, png(60, 90)), (other.book_id, png(60, 90)), (desk.book_id, b"text"))
    )
    assert desk.export(cover=mine)[0]
    with zipfile.ZipFile(io.BytesIO(desk.newest().content)) as archive:
        assert archive.read("EPUB/cover.png") == png(60, 90)
    for cover, message in (
        (foreign, f"there is no picture of this book {foreign!r}"),
        (text, "cover: is no whole PNG or JPEG picture"),
    ):
        succeeded, job = desk.export(cover=cover)
        assert (succeeded, job.error_message) == (False, message)


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"format": "mobi"}, "props.format: Input should be 'epub', 'docx', 'pdf', 'html' or 'markdown'"),
        ({"trim": "7x7"}, "props.trim: Input should be '5x8', '6x9', 'A5' or 'A4'"),
        ({"font": "Comic"}, "props.font: Input should be 'serif' or 'sans'"),
        ({"chapter_numbers": "3"}, "props.chapter_numbers: Input should be 'arabic', 'roman' or 'none'"),
        ({"title": ""}, "props.title: String should have at least 1 character"),
        ({"language": "English"}, "props.language: String should match pattern"),
        ({"include_outline": "some"}, "props.include_outline: Input should be a valid boolean"),
        ({"cover": "front.png"}, "props.cover: must be the id of a picture, which `files add` prints"),
        ({"watermark": "x"}, "props.watermark: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_option_is_named_with_what_it_may_be(props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        catalogue().get("export_book").validate(props)
    assert str(refusal.value).startswith(message)


@pytest.mark.parametrize("written", ["5×8", "5X8", "a5", "A4"])
def test_a_size_is_understood_as_people_write_it(written: str) -> None:
    assert ExportBookProps(trim=written).trim in ("5x8", "A5", "A4")


def test_letters_without_a_font_are_named_before_the_export_says_that_it_is_done(desk: Desk) -> None:
    desk.scene("One \U0010fffd.", 1)
    succeeded, job = desk.export(format="pdf", trim="A5")
    assert succeeded
    assert desk.newest().content.startswith(b"%PDF-")
    (warning, done) = desk.logged[-2:]
    assert warning[0] == "WARNING"
    assert warning[1].startswith("no font has \U0010fffd (U+10FFFD): printed as empty boxes.")
    assert done == ("INFO", f"exported {job.result['name']}")


def test_a_format_that_is_not_installed_fails_by_name(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.scene("One.", 1)
    monkeypatch.delitem(FORMATS, "html")
    succeeded, job = desk.export(format="html")
    assert not succeeded
    assert str(job.error_message).startswith("this worker cannot make html; it can make epub")


def test_an_export_that_is_cancelled_on_a_worker_ends_its_process_and_leaves_nothing(
    settings: Settings, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, "html", bad_format("hangs"))
    desk.scene("One.", 1)
    processor = JobProcessor(settings)
    processor.register("export_book", ExportBookJob)
    with running(processor):
        job_id = create_job(
            job_type="export_book", book_id=desk.book_id, props={"format": "html"}, session=desk.session
        ).job_id
        desk.session.commit()
        pid = int(eventually(lambda: row(desk.engine, job_id).progress_message))
        cancel_job(job_id, session=desk.session)
        desk.session.commit()
        eventually(lambda: row(desk.engine, job_id).state == "cancelled")
        assert state_of(pid) == ""
    assert desk.files() == []
