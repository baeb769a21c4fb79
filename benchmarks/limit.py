"""What PostgreSQL and this machine could do at most: pgbench with the engine's own acts, without any engine.

Claim one, commit; complete one, commit: two commits a job, as a job that writes has them. Nothing is read but the id.
"""

import re
import subprocess

from benchmarks.ours import engine_of, fill
from benchmarks.place import Figures, Place
from tests.support.postgres import any_programs

CLAIM = """
UPDATE jobs SET state = 'running', claim_id = gen_random_uuid(), worker_id = gen_random_uuid(),
       started_at = clock_timestamp(), attempt = attempt + 1
 WHERE job_id = (SELECT job_id FROM jobs WHERE state = 'waiting' AND run_at <= now()
                  ORDER BY priority DESC, run_at, job_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING job_id AS job_id, claim_id AS claim_id \\gset
"""
COMPLETE = """
UPDATE jobs SET state = 'completed', completed_at = clock_timestamp(), worker_id = NULL, progress = 1
 WHERE job_id = CAST(:job_id AS uuid) AND claim_id = CAST(:claim_id AS uuid) AND state = 'running';
"""
WRITE = "INSERT INTO books (book_id, title, props) VALUES (gen_random_uuid(), 'benchmark', '{}');"
ONE_LINE = " ".join


def pgbench(place: Place, jobs: int, clients: int, *, writes: bool) -> Figures:
    """Jobs a second of so many clients; with a row of the job's own in the second transaction, or without."""
    settle = f"BEGIN;\n{ONE_LINE(COMPLETE.split())}\n{WRITE}\nCOMMIT;" if writes else ONE_LINE(COMPLETE.split())
    script = place.folder / "job.sql"
    script.write_text(f"{ONE_LINE(CLAIM.split())}\n{settle}\n")
    with engine_of(place) as engine:
        fill(engine, "noop", jobs + clients)
    said = subprocess.run(
        [
            str(any_programs() / "pgbench"),
            "-n",
            "-M",
            "prepared",
            "-c",
            str(clients),
            "-t",
            str(jobs // clients),
            "-f",
            script,
            place.url,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = re.search(r"tps = ([\d.]+)", said)
    assert found is not None, said
    return {"jobs/s": float(found[1])}
