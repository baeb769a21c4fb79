"""Live: what happens to jobs and lists, told to browsers as Server-Sent Events while it happens.

`tail` reads the database, once for all viewers; `hub` knows who watches what; `feeds` and `response` are one stream.
Pages take their starting cursor from here: `cursor_for(session, job_id)`, `cursor_for_lists(session, topics)`.
"""

from bookbot_web.live.cursor import cursor_for, cursor_for_lists, cursor_of
from bookbot_web.live.routes import router
from bookbot_web.live.service import Live

__all__ = ["Live", "cursor_for", "cursor_for_lists", "cursor_of", "router"]
