"""The pages: one module for each, its routes and nothing else. What they show comes from `shared.views`."""

from fastapi import APIRouter, Depends

from bookbot_web.auth import require_access
from bookbot_web.pages import (
    book,
    books,
    bulk,
    chunk,
    covers,
    job,
    job_actions,
    job_log,
    jobs,
    overview,
    queues,
    schedules,
    settings,
    start_job,
    workers,
)

router = APIRouter(dependencies=[Depends(require_access)], include_in_schema=False)
for page in (
    overview,
    jobs,
    bulk,
    job,
    job_log,
    job_actions,
    books,
    book,
    start_job,
    covers,
    chunk,
    workers,
    settings,
    queues,
    schedules,
):
    router.include_router(page.router)
