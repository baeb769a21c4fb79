"""`demo`: a job that pretends to work, for trying the system without a book."""

from datetime import timedelta

from bookbot_worker.jobs.base import BaseJob


class DemoJob(BaseJob):
    """Takes `steps` steps in `seconds` seconds altogether, with a line of log and some progress for each."""

    def execute(self) -> bool:
        """True after the last step. Raises JobCancelled, within a moment, if the job is asked to stop."""
        steps = self.props.steps
        pause = timedelta(seconds=self.props.seconds) / steps
        for step in range(1, steps + 1):
            self.wait(pause)
            self.log(f"step {step} of {steps}")
            self.progress(step / steps, f"step {step} of {steps}")
        self.job.result = {"steps": steps}
        return True
