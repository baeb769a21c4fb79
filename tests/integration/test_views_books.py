"""What lists and pages of books and files show, on both databases."""

import pytest
from sqlalchemy.orm import Session

from shared.errors import InvalidInput, NotFound
from shared.ids import new_id
from shared.models import Book, Chunk, OutputFile
from shared.views import get_book, get_file, list_books, list_files, newest_file

pytestmark = pytest.mark.integration


def scene(book_id: str, chapter: int, position: float, words: int, **values: object) -> Chunk:
    texts = {"type": "scene", "chapter": chapter, "position": position, "word_count": words, "text": "secret text"}
    return Chunk(chunk_id=new_id(), book_id=book_id, props={"title": f"Scene {position}"}, **(texts | values))


@pytest.fixture
def book_id(session: Session) -> str:
    """A book of two chapters: one scene written, one empty, one locked, one deleted, one superseded."""
    book_id = new_id()
    session.add(Book(book_id=book_id, title="The Salt Ledger", props={"genre": "mystery"}))
    session.flush()
    session.add_all(
        [
            scene(book_id, 2, 3.0, 0, locked_by_job_id=new_id()),
            scene(book_id, 1, 1.0, 500),
            scene(book_id, 1, 2.0, 0),
            scene(book_id, 1, 1.5, 900, is_deleted=True),
            scene(book_id, 1, 1.2, 900, is_latest=False),
            Chunk(chunk_id=new_id(), book_id=book_id, type="brief", text="a brief", word_count=2, props={}),
        ]
    )
    session.flush()
    return book_id


def test_a_book_in_the_list_has_its_scenes_and_words(session: Session, book_id: str) -> None:
    other = Book(book_id=new_id(), title="Empty", props={})
    session.add(other)
    session.flush()
    rows = {row["book_id"]: row for row in list_books(session)}
    assert (rows[book_id]["scenes"], rows[book_id]["scenes_written"], rows[book_id]["words"]) == (3, 1, 500)
    assert (rows[other.book_id]["scenes"], rows[other.book_id]["words"]) == (0, 0)


def test_a_book_shows_chapters_and_scenes_in_reading_order_without_their_text(session: Session, book_id: str) -> None:
    book = get_book(session, book_id)
    assert [(chapter["chapter"], chapter["words"]) for chapter in book["chapters"]] == [(1, 500), (2, 0)]
    states = [scene["state"] for chapter in book["chapters"] for scene in chapter["scenes"]]
    assert states == ["written", "empty", "locked"]
    assert book["chunks"] == {"brief": 1, "scene": 3}
    assert book["props"] == {"genre": "mystery"}
    assert "secret text" not in repr(book)


def test_an_unknown_book_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        get_book(session, new_id())
    with pytest.raises(InvalidInput):
        get_book(session, "nope")


def test_files_are_listed_without_and_fetched_with_their_bytes(session: Session, book_id: str) -> None:
    made = []
    for name, file_format in [("a.epub", "epub"), ("b.epub", "epub"), ("c.md", "markdown")]:
        about = {"media_type": "x/y", "size_bytes": 1, "sha256": "0" * 64, "content": name.encode()}
        made.append(OutputFile(file_id=new_id(), book_id=book_id, name=name, format=file_format, **about))
    session.add_all(made)
    session.flush()
    listed = list_files(session, book_id=book_id)
    assert [row["name"] for row in listed] == ["c.md", "b.epub", "a.epub"]
    assert all("content" not in row for row in listed)
    assert get_file(session, made[0].file_id)["content"] == b"a.epub"
    assert newest_file(session, book_id, "epub")["name"] == "b.epub"
    with pytest.raises(NotFound):
        newest_file(session, book_id, "pdf")
    assert list_files(session, job_id=new_id()) == []
