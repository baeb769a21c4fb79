"""The Session that job code works with: SQLAlchemy's, but only the engine may end its transaction."""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session, SessionTransaction

from bookbot_worker.golden_rule import Rule
from bookbot_worker.outcomes import JobCancelled


class JobSession(Session):
    """A Session whose transaction only the engine may end."""

    def __init__(self, engine: Engine, rule: Rule) -> None:
        super().__init__(engine, autoflush=False, expire_on_commit=False)
        self.rule = rule

    def get_bind(self, *arguments: Any, **named: Any) -> Any:
        """Where every statement comes by before it takes a connection: one that was refused later would be lost."""
        if self.rule.is_fenced and not self.rule.is_lifted:
            raise JobCancelled("fenced out")
        return super().get_bind(*arguments, **named)

    def commit(self) -> None:
        self.rule.forbid("session.commit()")
        super().commit()

    def rollback(self) -> None:
        self.rule.forbid("session.rollback()")
        super().rollback()

    def close(self) -> None:
        self.rule.forbid("session.close()")
        super().close()

    def reset(self) -> None:
        self.rule.forbid("session.reset()")
        super().reset()

    def invalidate(self) -> None:
        self.rule.forbid("session.invalidate()")
        super().invalidate()

    def prepare(self) -> None:
        self.rule.forbid("session.prepare()")
        super().prepare()

    def begin(self, nested: bool = False) -> SessionTransaction:
        if not nested:
            self.rule.forbid("session.begin()")
        return super().begin(nested)

    def flush(self, objects: Any = None) -> None:
        """Send pending writes. Where that fails SQLAlchemy ends the transaction; the job cannot complete then."""
        self.rule.flushing += 1
        try:
            super().flush(objects)
        except Exception as error:
            if not self.rule.is_lifted and not self.in_nested_transaction():
                self.rule.lost_transaction = f"a failed flush ended the job's transaction: {type(error).__name__}"
            raise
        finally:
            self.rule.flushing -= 1
