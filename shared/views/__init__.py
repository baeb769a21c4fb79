"""What the web and the CLI show: read-only queries that return plain dictionaries.

Keys are the column names of the tables, exactly; what a view adds (counts, words, roll-ups) is named in its
docstring. Nothing here writes, locks or decides. Instants stay `datetime` until `jsonable` turns a result
into JSON.
"""

from shared.views.books import get_book, list_books
from shared.views.children import failed_children, scenes_of_job
from shared.views.documents import jsonable, parse_instant, parse_object
from shared.views.files import get_file, list_files, newest_file
from shared.views.finding import find_id
from shared.views.jobs import active_job_with_key, count_jobs_by_state, get_job, list_descendants, list_jobs
from shared.views.llm import GROUPS, By, cost_of_book, cost_of_day, cost_of_job, job_calls, list_costs
from shared.views.logs import job_logs
from shared.views.queues import list_job_type_limits, list_queues
from shared.views.readiness import check_ready
from shared.views.schedules import get_schedule, list_schedules
from shared.views.workers import list_workers

__all__ = [
    "GROUPS",
    "By",
    "active_job_with_key",
    "check_ready",
    "cost_of_book",
    "cost_of_day",
    "cost_of_job",
    "count_jobs_by_state",
    "failed_children",
    "find_id",
    "get_book",
    "get_file",
    "get_job",
    "get_schedule",
    "job_calls",
    "job_logs",
    "jsonable",
    "list_books",
    "list_costs",
    "list_descendants",
    "list_files",
    "list_job_type_limits",
    "list_jobs",
    "list_queues",
    "list_schedules",
    "list_workers",
    "newest_file",
    "parse_instant",
    "parse_object",
    "scenes_of_job",
]
