"""The JSON API: one module for each resource. Each route parses, calls `shared`, and answers; none decides anything.

They are plain functions: FastAPI runs them on threads, where a slow database blocks one request and not all.
"""

from fastapi import APIRouter, Depends

from bookbot_web.api import (
    books,
    bulk,
    calls,
    chunks,
    document,
    files,
    job_actions,
    job_types,
    jobs,
    logs,
    overview,
    queues,
    schedules,
    workers,
)
from bookbot_web.api.answers import PROBLEMS
from bookbot_web.auth import require_access

__all__ = ["router"]

router = APIRouter(dependencies=[Depends(require_access)], responses=PROBLEMS)
_OF_JOBS = (bulk, jobs, logs, calls, job_actions, job_types)
_OF_BOOKS = (files, books, chunks)
_OF_OPERATION = (workers, queues, schedules, overview, document)
for part in (*_OF_JOBS, *_OF_BOOKS, *_OF_OPERATION):
    router.include_router(part.router)
