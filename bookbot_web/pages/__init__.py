"""The pages: one module for each, its routes and nothing else. What they show comes from `shared.views`."""

from fastapi import APIRouter, Depends

from bookbot_web.auth import require_access
from bookbot_web.pages import overview

router = APIRouter(dependencies=[Depends(require_access)], include_in_schema=False)
for page in (overview,):
    router.include_router(page.router)
