"""The catalogue: what can be enqueued, and the parameters of each type as a JSON schema."""

from fastapi import APIRouter

from bookbot_web.api.answers import Document
from shared.job_types import catalogue

router = APIRouter(tags=["jobs"])


@router.get("/job-types", summary="List job types")
def list_job_types() -> Document:
    """Each with the JSON schema of its `props`."""
    return {
        "job_types": [
            {
                "name": job_type.name,
                "description": job_type.description,
                "needs_book": job_type.needs_book,
                "locks": job_type.locks,
                "queue": job_type.queue,
                "max_attempts": job_type.retry.max_attempts,
                "timeout_seconds": job_type.timeout.total_seconds(),
                "props": job_type.props.model_json_schema(),
            }
            for job_type in catalogue()
        ]
    }
