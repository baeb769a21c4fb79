"""A database with a long history, made by the database itself: jobs over thirty days, their logs, calls and books.

Ids are of UUID version 7 and agree with `created_at`, as those of real jobs do, because lists are read in their order.
"""

from dataclasses import dataclass, field

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

BOOKS = 2000
CHILDREN = 5000
LINES = 10_000


@dataclass(frozen=True)
class Landmarks:
    """Ids of rows that pages are about. `more_pages`: name → address of pages others add."""

    old_job: str
    job: str
    waiting: str
    parent: str
    long_log: str
    book: str
    more_pages: dict[str, str] = field(default_factory=dict)


_UUID7 = """
CREATE OR REPLACE FUNCTION pg_temp.uuid7(at timestamptz, n bigint) RETURNS uuid LANGUAGE sql AS $$
  SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
          || '8' || substr(md5((n * 7)::text), 1, 15))::uuid $$
"""

_BOOKS = """
INSERT INTO books (book_id, title, props, created_at)
SELECT pg_temp.uuid7(now() - interval '40 days' + n * interval '1 minute', n), 'Book ' || n, '{}', now()
FROM generate_series(1, :books) n
"""

# The newest 0.5 % wait, 200 run; of the rest 96 % are completed. Every 50th has started the 20 scenes after it.
_JOBS = """
INSERT INTO jobs (job_id, book_id, job_type, queue, props, state, run_at, created_at, started_at, completed_at,
                  attempt, max_attempts, worker_id, claim_id, progress, error_message, error_trace, log_count, result,
                  parent_job_id)
SELECT pg_temp.uuid7(at, n), CASE WHEN kind <> 'demo' THEN (SELECT book_id FROM pg_temp.known WHERE k = n % :books) END,
       kind, CASE WHEN n % 50 = 0 THEN 'slow' ELSE 'default' END, '{"steps": 5, "note": "as it was asked for"}', state,
       at, at, CASE WHEN state <> 'waiting' THEN at + random() * interval '4 seconds' END,
       CASE WHEN state NOT IN ('waiting', 'running')
            THEN at + interval '5 seconds' + random() * interval '1 minute' END,
       1, 6, CASE WHEN state = 'running' THEN gen_random_uuid() END, gen_random_uuid(),
       CASE WHEN state = 'completed' THEN 1 ELSE 0 END,
       CASE WHEN state IN ('error', 'failed') THEN 'ValueError: it went wrong' END,
       CASE WHEN state = 'error' THEN repeat('  File "job.py", line 1, in execute' || chr(10), 40) END, 5,
       CASE WHEN state = 'completed' THEN '{"words": 500}'::jsonb END,
       CASE WHEN kind = 'generate_chunk' THEN pg_temp.uuid7(at_of_first, first) END
FROM (SELECT n, now() - (:jobs - n) * interval '30 days' / :jobs AS at, n - n % 50 AS first,
             now() - (:jobs - (n - n % 50)) * interval '30 days' / :jobs AS at_of_first,
             (ARRAY['demo', 'demo', 'demo', 'generate_chunk', 'generate_chunk'])[1 + n % 5] AS kind,
             CASE WHEN n > :jobs * 0.995 THEN 'waiting' WHEN n > :jobs * 0.9948 THEN 'running'
                  WHEN n % 100 = 0 THEN 'error' WHEN n % 200 = 1 THEN 'failed' WHEN n % 100 = 2 THEN 'cancelled'
                  ELSE 'completed' END AS state
      FROM generate_series(1, :jobs) n) AS made
"""

_FAMILY = """
UPDATE jobs SET parent_job_id = :parent WHERE job_id IN
  (SELECT job_id FROM jobs WHERE job_type = 'generate_chunk' AND state = 'completed' ORDER BY job_id LIMIT :children)
"""

_LOGS = """
INSERT INTO job_logs (job_id, attempt, seq, claim_id, level, message, created_at)
SELECT job_id, 1, seq, claim_id, 'INFO', 'line ' || seq || ' of a job that is as talkative as most', created_at
FROM (SELECT job_id, claim_id, created_at FROM jobs ORDER BY job_id DESC LIMIT 100000) AS newest,
     generate_series(1, 5) seq
"""

_LONG_LOG = """
INSERT INTO job_logs (job_id, attempt, seq, claim_id, level, message, created_at)
SELECT :job, 2, seq, gen_random_uuid(), CASE WHEN seq % 10 = 0 THEN 'ERROR' ELSE 'INFO' END,
       'line ' || seq || ' of a very long log', now()
FROM generate_series(1, :lines) seq
"""

_CALLS = """
INSERT INTO llm_calls (call_id, job_id, book_id, attempt, seq, request_hash, provider, model, request, response,
                       input_tokens, output_tokens, cost_usd, latency_ms, status, created_at)
SELECT gen_random_uuid(), job_id, book_id, 1, 1, md5(job_id::text), 'host', 'model-a',
       jsonb_build_object('messages',
                          jsonb_build_array(jsonb_build_object('role', 'user', 'content', repeat('word ', 800)))),
       repeat('prose ', 500), 1000, 600, 0.002, 9000, 'done', created_at
FROM jobs WHERE job_type = 'generate_chunk' AND state = 'completed' ORDER BY job_id DESC LIMIT 50000
"""


def fill(engine: Engine, jobs: int) -> Landmarks:
    """Fill an empty database with `jobs` jobs, and what belongs to them."""
    with Session(engine) as session, session.begin():
        session.execute(text(_UUID7))
        session.execute(text(_BOOKS), {"books": BOOKS})
        session.execute(text("CREATE TEMP TABLE known AS SELECT book_id, row_number() OVER () - 1 AS k FROM books"))
        session.execute(text("ALTER TABLE known ADD PRIMARY KEY (k)"))
        session.execute(text(_JOBS), {"jobs": jobs, "books": BOOKS})
        session.execute(text(_LOGS))
        session.execute(text(_CALLS))

        def one(query: str) -> str:
            return str(session.execute(text(query)).scalar_one())

        newest = "SELECT job_id FROM jobs WHERE state = '{}' AND job_type = '{}' ORDER BY job_id DESC LIMIT 1"
        marks = Landmarks(
            old_job=one("SELECT job_id FROM jobs ORDER BY job_id OFFSET (SELECT count(*) / 2 FROM jobs) LIMIT 1"),
            job=one(newest.format("completed", "generate_chunk")),
            waiting=one(newest.format("waiting", "demo")),
            parent=one(newest.format("failed", "demo")),
            long_log=one(newest.format("completed", "demo")),
            book=one("SELECT book_id FROM books ORDER BY book_id DESC LIMIT 1"),
        )
        session.execute(text(_FAMILY), {"parent": marks.parent, "children": CHILDREN})
        session.execute(text(_LONG_LOG), {"job": marks.long_log, "lines": LINES})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return marks
