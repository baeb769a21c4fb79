"""Guards of the ledger, of budgets and limits, and of the circuit breaker."""

from tests.mutants.guard import Guard, guard

LEDGER = "bookbot_worker/llm/ledger.py"
ROWS = "bookbot_worker/llm/ledger_rows.py"
ADMISSION = "bookbot_worker/llm/admission.py"

BOOKS = "tests/integration/test_ledger.py::"
LIMITS = "tests/integration/test_llm_limits.py::"
RACES = "tests/integration/test_llm_races.py::"
DECISIONS = "tests/unit/test_llm_decisions.py::"

LLM: tuple[Guard, ...] = (
    guard(
        "answer-kept-before-the-job-sees-it",
        "else the job may die with it",
        BOOKS + "test_a_job_that_runs_again_gets_its_answers_again_for_free",
        (LEDGER, "        self._keep(asked, call_id, entry)\n", ""),
    ),
    guard(
        "answer-outlives-an-outage",
        "it is paid for: one failed write must not throw it away",
        BOOKS + "test_an_answer_that_comes_while_the_database_is_away_is_kept_until_it_is_back",
        (LEDGER, "                if not is_outage(error):\n                    raise\n", "                raise\n"),
    ),
    guard(
        "sent-is-fenced",
        "a run that has lost its job must spend no more",
        BOOKS + "test_a_run_that_has_lost_its_job_asks_nothing_more",
        (ROWS, "Job.job_id == run.job_id, Job.claim_id == run.claim_id, IS_RUNNING", "Job.job_id == run.job_id"),
    ),
    guard(
        "fresh-ignores-old-answers",
        "who asks anew wants other answers",
        BOOKS + "test_a_fresh_retry_asks_anew_and_keeps_what_was_said",
        (ROWS, "            columns.epoch == run.epoch,\n", ""),
    ),
    guard(
        "same-request-in-order",
        "the second time a job asks the same it wants the second answer",
        BOOKS + "test_a_job_that_runs_again_gets_its_answers_again_for_free",
        (ROWS, "            columns.occurrence == occurrence,\n", ""),
    ),
    guard(
        "failed-calls-do-not-count",
        "the n-th answer stands for the n-th answer, not for the n-th try",
        BOOKS + "test_a_call_that_failed_is_on_record_and_its_repetition_answers_later_runs",
        (LEDGER, "                taken.discard(occurrence)\n", "                pass\n"),
    ),
    guard(
        "dead-calls-take-no-place",
        "a worker that died must not keep others out for ever",
        LIMITS + "test_a_dead_workers_calls_take_no_place",
        (
            ADMISSION,
            "        .join(Job, and_(Job.job_id == CALLS.c.job_id, Job.claim_id == CALLS.c.claim_id, IS_RUNNING))\n",
            "",
        ),
    ),
    guard(
        "callers-stand-in-line",
        "two of them must not take the same last place",
        RACES + "test_a_caller_stands_in_line_behind_one_who_is_about_to_take_the_last_place",
        (ADMISSION, "    if rules.limits and is_postgresql(connection):\n", "    if False:\n"),
    ),
    guard(
        "one-probe",
        "a provider that comes back must not meet everybody at once",
        LIMITS + "test_a_provider_that_fails_is_left_alone_then_tried_by_one_and_asked_by_all_again",
        (ADMISSION, "    if isinstance(probe, Circuit):\n", "    if isinstance(probe, Paused):\n"),
    ),
    guard(
        "only-the-providers-trouble-counts",
        "one bad prompt must not pause everybody",
        DECISIONS + "test_what_counts_for_the_breaker_is_the_providers_own_trouble",
        ("bookbot_worker/llm/entries.py", "else kind in _TROUBLE", "else True"),
    ),
)
