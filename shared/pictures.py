"""Keeping a picture with a book: one of its files, of the format "cover", made by no job."""

import hashlib

from sqlalchemy.orm import Session

from shared.covers import Cover
from shared.file_names import file_name
from shared.ids import new_id
from shared.models import OutputFile


def keep_cover(session: Session, book_id: str, cover: Cover, name: str) -> OutputFile:
    """Add the picture to the files of a book; `name` is what people call it, without its extension."""
    file = OutputFile(
        file_id=new_id(),
        book_id=book_id,
        name=file_name(name, cover.extension),
        format="cover",
        media_type=cover.media_type,
        size_bytes=len(cover.content),
        sha256=hashlib.sha256(cover.content).hexdigest(),
        content=cover.content,
    )
    session.add(file)
    session.flush()
    return file
