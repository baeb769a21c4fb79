"""The web tier: a JSON API that enqueues jobs and shows them.

It never runs job code and never imports the worker; the two meet in the database only.
"""

from bookbot_web.app import create_app

__all__ = ["create_app"]
