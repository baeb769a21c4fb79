"""Books that are made from a brief by real workers which ask a real server of the OpenAI protocol."""

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bookbot_worker.books import outline
from shared.enqueue import create_job
from shared.ids import new_id
from shared.models import Book, Chunk, LlmCall
from tests.faults.database import Database
from tests.support.llm_stub import MODEL, RunningStub

PLOT = (
    "Ines Duarte finds a stopped clock in Lisbon. Tomas Reis says that it counts the dead. Ines opens the case. "
    "A key falls out of it. Tomas hides the key. Ines follows him to the harbour. A ship has come in at night. "
    "Its captain asks for the clock. Ines lies to him. Tomas hears the lie. They quarrel on the stairs. "
    "The clock begins to run. A name is read out in the street. Ines knows the name. Tomas gives the key back. "
    "They wind the clock together. The captain waits at the door. Ines lets him in. The clock strikes. "
    "In the morning the ship is gone."
)
BRIEF = f"Title: The Clock of Lisbon\n\nA novel in 10 chapters.\n\n{PLOT}"
"""Twenty sentences in ten chapters: the offline author makes twenty scenes of it."""


def asking(stub: RunningStub, **more: str) -> dict[str, str]:
    """The environment of a worker that asks `stub`, and knows what it takes for an answer that was broken off."""
    prices = json.dumps({model: {"input": 1, "output": 4} for model in (MODEL, f"{MODEL}:slow")})
    return {
        "BOOKBOT_LLM": "openai_compatible",
        "BOOKBOT_LLM_BASE_URL": stub.url,
        "BOOKBOT_LLM_MODEL": MODEL,
        "BOOKBOT_LLM_PRICES": prices,
    } | more


def add_job(database: Database, job_type: str, book_id: str, **values: Any) -> str:
    """Enqueue one job of the product."""
    with Session(database.engine) as session:
        job = create_job(job_type=job_type, book_id=book_id, session=session, **values)
        session.commit()
        return job.job_id


def new_book(database: Database) -> str:
    """A book without anything in it."""
    with Session(database.engine) as session:
        session.add(book := Book(book_id=new_id(), title="The Clock of Lisbon"))
        session.commit()
        return book.book_id


def chunks(database: Database, book_id: str, kind: str) -> list[Chunk]:
    """All versions of the chunks of this kind, in reading order."""
    query = select(Chunk).filter_by(book_id=book_id, type=kind).order_by(Chunk.position, Chunk.version)
    with Session(database.engine, expire_on_commit=False) as session:
        return list(session.scalars(query))


def calls(database: Database, *statuses: str) -> list[LlmCall]:
    """The ledger, or those of its calls."""
    query = select(LlmCall).order_by(LlmCall.call_id)
    with Session(database.engine, expire_on_commit=False) as session:
        return [call for call in session.scalars(query) if not statuses or call.status in statuses]


def check_foundation(database: Database, book_id: str) -> None:
    """All parts of the plan are there, once, and a chunk for every scene of the outline."""
    for kind in ("brief", "outline", "characters", "settings"):
        (chunk,) = chunks(database, book_id, kind)
        assert chunk.text.strip()
    (plan,) = chunks(database, book_id, "outline")
    scenes = chunks(database, book_id, "scene")
    assert [scene.props["scene"] for scene in scenes] == [scene.id for scene in outline.parse(plan.text).scenes]
    assert len(scenes) == 20
    assert chunks(database, book_id, "bot")
    assert chunks(database, book_id, "task")
