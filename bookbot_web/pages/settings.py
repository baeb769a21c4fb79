"""The settings of this web process: each with its value, where it comes from, and what it means. No secret is shown."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from bookbot_web.rendering import render
from shared.settings_list import SECRET, list_settings

router = APIRouter()

GROUPS = (
    ("Database", ("DATABASE_URL", "BOOKBOT_DATABASE_")),
    ("LLM", ("BOOKBOT_LLM", "BOOKBOT_OFFLINE_")),
    ("Exports", ("BOOKBOT_EXPORT_",)),
    ("Web", ("BOOKBOT_WEB_",)),
    ("Logs", ("BOOKBOT_LOG_FORMAT", "BOOKBOT_LOG_LEVEL")),
    ("Workers and jobs", ("BOOKBOT_",)),
)
"""The first group with one of whose beginnings a variable begins has it."""


@router.get("/settings")
def settings(request: Request) -> HTMLResponse:
    """All settings, by group."""
    grouped: dict[str, list[object]] = {name: [] for name, _ in GROUPS}
    for setting in list_settings(request.app.state.settings):
        group = next(name for name, starts in GROUPS if setting.variable.startswith(starts))
        grouped[group].append(setting)
    return render(request, "settings.html", here="settings", groups=grouped, secret=SECRET)
