"""`prune`: forgets jobs that ended long ago, a batch a run; for a schedule."""

from bookbot_worker.jobs.base import BaseJob
from shared.enqueue import NewJob
from shared.pruning import ended_before, prune_batch, prune_rest
from shared.states import TERMINAL, JobState


class PruneJob(BaseJob):
    """One batch is one transaction, the job's own; where more is left, the next batch is the next job."""

    def execute(self) -> bool:
        """Prune, and go on in another job if that was not all."""
        props = self.props
        states = TERMINAL if props.states is None else {JobState(state) for state in props.states}
        before = ended_before(self.session, props.older_than_days)
        pruned = prune_batch(self.session, before, states, props.batch)
        if pruned.jobs == props.batch:
            [again] = self.create_jobs([self._next_batch()])
            self.log(f"More is left; job {again.job_id} goes on.")
        else:
            pruned += prune_rest(self.session, before)
        self.job.result = pruned.as_dict()
        self.log(
            f"Forgot {pruned.jobs} jobs and {pruned.log_lines} log lines, all older than {before:%Y-%m-%d %H:%M}Z."
        )
        return True

    def _next_batch(self) -> NewJob:
        job = self.job
        return NewJob(
            job.job_type, props=dict(job.props), queue=job.queue, priority=job.priority, parent_job_id=job.job_id
        )
