"""What is shown of running jobs and kept nowhere else."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from shared.clock import db_now
from shared.models.base import Base, Id


class JobLiveText(Base):
    """The answer a running job's LLM is giving at this moment: a window for people who watch, never the truth.

    One row a job, of the claim that wrote it last, so whoever reads compares `claim_id` with the job's. `call` numbers
    the answers of the claim from 1. Of a long answer only the end is here, after `cut` characters that were left out.
    No foreign key, as for log lines.
    """

    __tablename__ = "job_live_texts"

    job_id: Mapped[str] = mapped_column(Id, primary_key=True)
    claim_id: Mapped[str] = mapped_column(Id)
    call: Mapped[int]
    cut: Mapped[int]
    text: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=db_now())
