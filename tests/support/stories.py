"""What the pages' commands are typed into: which are not typed and why, and what a page takes for granted.

`NOT_TYPED` is the one list of blocks that the tests do not type as they stand. A page that is in none of these tables
is typed into a fresh folder that holds the examples, a picture, the page's own files, and the database of a finished
demo. `$book` is its book, `$scene` one of its scenes; JOB_ID stands for the job that wrote a scene.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Elsewhere:
    """Why a block is not typed by `test_docs_run.py`, and the file that covers what it does."""

    reason: str
    covered_by: str


@dataclass(frozen=True)
class Story:
    """What a page takes for granted.

    `before` is typed first, `after` last. `instead`: what its names stand for here: "{port}" a free port, "{postgres}"
    the address of an empty database, "{migrated}" of one with tables, "{pooler}" the port of a PgBouncer in front of an
    empty one, "{role}" a name for a role. `printed`: patterns that the answers must contain.
    """

    before: str = ""
    instead: Mapping[str, str] = field(default_factory=dict)
    printed: tuple[str, ...] = ()
    after: str = ""


DOCKER = Elsewhere("needs a Docker engine", "tests/unit/test_docs_containers.py")
SYSTEMD = Elsewhere("changes the machine, as root, under systemd", "deploy/rehearsal.sh")
PACKAGES = Elsewhere("installs packages over the network", "deploy/rehearsal.sh")
LONG = Elsewhere("takes many minutes", ".ci/run")
README = Elsewhere("typed there", "tests/integration/test_docs_readme.py")
PROMPTS = Elsewhere("typed there", "tests/integration/test_docs_prompts.py")

NOT_TYPED: dict[tuple[str, str], Elsewhere] = {
    ("README.md", "make demo"): Elsewhere(
        "installs packages over the network", "tests/integration/test_docs_readme.py"
    ),
    ("README.md", "make test"): Elsewhere("is this run", ".ci/run"),
    ("README.md", "export PYTHONPATH=. BOOKBOT_JOB_TYPES=my_app.job_types BOOKBOT_JOBS=my_app.jobs"): README,
    ("docs/containers.md", "docker build --tag bookbot ."): DOCKER,
    ("docs/operations.md", "bookbot-worker doctor | grep -v ^ok"): Elsewhere(
        "needs broken servers", "tests/acceptance/test_cli_doctor_postgres.py"
    ),
    ("docs/containers.md", "docker compose up --detach"): DOCKER,
    ("docs/deploy-systemd.md", "apt-get install --no-install-recommends python3-venv postgresql"): SYSTEMD,
    ("docs/deploy-systemd.md", "runuser -u postgres -- createuser bookbot"): SYSTEMD,
    ("docs/deploy-systemd.md", "install -m 644 deploy/systemd/* /etc/systemd/system/"): SYSTEMD,
    ("docs/deploy-systemd.md", "journalctl -u 'bookbot-worker@*' -f"): Elsewhere(
        "needs systemd's journal", "tests/acceptance/test_systemd_boot.py"
    ),
    ("docs/deploy-systemd.md", "python3 -m venv /opt/bookbot/0.2.0"): SYSTEMD,
    ("docs/deploy.md", "python3 -m venv /opt/bookbot/venv"): PACKAGES,
    ("docs/live.md", "uvicorn --factory bookbot_web:create_app --timeout-graceful-shutdown 3"): Elsewhere(
        "servers that do not end; gunicorn is no dependency", "tests/acceptance/test_api_process.py"
    ),
    ("docs/llm.md", "export DATABASE_URL=sqlite:///stub.db BOOKBOT_LLM=openai_compatible"): Elsewhere(
        "typed there", "tests/integration/test_docs_llm.py"
    ),
    ("docs/new-job-type.md", "BOOKBOT_JOB_TYPES=my_app.job_types BOOKBOT_JOBS=my_app.jobs python -m pytest tests"): (
        Elsewhere("run there", "tests/integration/test_docs_new_job_type.py")
    ),
    ("docs/performance.md", "make bench                                  # everything: about half an hour"): Elsewhere(
        "takes many minutes", "tests/acceptance/test_cli_bench.py"
    ),
    ("docs/pgbouncer.md", "apt-get install --no-install-recommends pgbouncer"): Elsewhere(
        "changes the machine, as root; the test starts the same program with the page's file",
        "tests/acceptance/test_docs_run.py",
    ),
    (
        "docs/prompts.md",
        """bookbot-worker jobs enqueue generate_chunk --book "$book" --chunk "$scene" --props '{"mode": "review"}'""",
    ): PROMPTS,
    ("docs/prompts.md", 'bookbot-worker prompts list --book "$book"'): PROMPTS,
    ("docs/prompts.md", 'bookbot-worker jobs show "$job" --llm'): PROMPTS,
    (
        "docs/prompts.md",
        """export BOOKBOT_LLM_MODELS='{"writing": "model-a", "revising": "model-b", "planning": "model-c"}'""",
    ): PROMPTS,
    ("docs/rehearsal.md", "deploy/rehearsal.sh rehearsal > transcript.md"): Elsewhere(
        "boots a machine, as root", "deploy/rehearsal.sh"
    ),
    ("docs/reliability.md", "make test                          # the quick cases are part of it"): LONG,
    ("docs/security.md", "BOOKBOT_WEB_TOKEN=$(openssl rand -hex 32) bookbot-web --host 0.0.0.0"): Elsewhere(
        "would listen for other machines", "tests/acceptance/test_web_login.py"
    ),
    ("docs/tracing.md", "pip install -c constraints.txt '.[otel]'"): Elsewhere(
        "installs packages over the network", "tests/acceptance/test_tracing_process.py"
    ),
    ("docs/tutorial.md", "python3 -m venv .venv"): PACKAGES,
    ("docs/upgrade.md", "python3 -m venv /opt/bookbot/0.2.0"): PACKAGES,
}

WORKER = """
bookbot-worker run --name {name} > {name}.log 2>&1 &
until grep -q worker.started {name}.log; do sleep 0.1; done
"""
WEB = """
bookbot-web --port {port} > web.log 2>&1 &
until command curl --silent --fail --output /dev/null http://127.0.0.1:{port}/api/health; do sleep 0.1; done
"""
DEMOS = """
for _ in 1 2; do bookbot-worker jobs enqueue demo --props '{"steps": 20, "seconds": 6}'; done
"""
DRAINED = """
until grep -q worker.stopped old-1.log; do sleep 0.1; done
bookbot-worker jobs list --type demo --json
"""
STUB = """
bookbot-worker llm-stub --port {port} --key a-key-for-tests > stub.log 2>&1 &
until grep -q http stub.log; do sleep 0.1; done
exec < <(echo a-key-for-tests)
"""

STORIES: dict[str, Story] = {
    "docs/api.md": Story(WEB, {":8000": ":{port}"}, (r'"state":\s*"waiting"',)),
    "docs/cli.md": Story("unset book; export DATABASE_URL=sqlite:///own.db", printed=(r"The Salt Ledger\.epub$",)),
    "docs/deploy.md": Story("", {"postgresql://bookbot@db.example.com/bookbot": "{postgres}"}),
    "docs/live.md": Story(
        WEB + 'curl() { command curl --max-time 2 "$@" || [ $? = 28 ]; }',
        {":8000": ":{port}"},
        ("event: end", "event: seen"),
    ),
    "docs/llm.md": Story(
        STUB,
        {
            "https://openrouter.ai/api/v1": "http://127.0.0.1:{port}/v1",
            "vendor/model": "offline-author-1",
            "bookbot-worker run": "bookbot-worker run --until-empty",
        },
        ("offline-author-1",),
    ),
    "docs/metrics.md": Story("", {"9101": "{port} --until-empty"}, ("worker.started",)),
    "docs/moving.md": Story(
        "",
        {"postgresql://bookbot@db.example.com/bookbot": "{postgres}", "books backup 019e": 'books backup "$book"'},
        (r"backups/The Salt Ledger\.bookbot",),
    ),
    "docs/new-job-type.md": Story("export PYTHONPATH=."),
    "docs/operations.md": Story(WORKER.format(name="host1"), {"0199f2a4": "$book"}),
    "docs/pgbouncer.md": Story("export BOOKBOT_POLL_SECONDS=0.2", {":6432": ":{pooler}"}, ("completed",)),
    "docs/security.md": Story(
        'export DATABASE_URL={migrated}\npsql --quiet "$DATABASE_URL" -c "CREATE ROLE {role}"',
        {"bookbot_web": "{role}"},
        ("COMMIT",),
    ),
    "docs/tutorial.md": Story(
        STUB.replace("bookbot-worker llm-stub", "unset book scene; rm bookbot.db; bookbot-worker llm-stub", 1),
        {
            "=40\n": "=4000\n",
            "bookbot-web ": "bookbot-web --port {another_port} ",
            ":8000": ":{another_port}",
            "https://openrouter.ai/api/v1": "http://127.0.0.1:{port}/v1",
            "vendor/model": "offline-author-1",
        },
        ('"scenes_written"', "version 4", r"\(provider\)"),
    ),
    "docs/upgrade.md": Story(
        "export DATABASE_URL={migrated}" + WORKER.format(name="old-1") + DEMOS,
        {"/opt/bookbot/0.2.0/bin/": ""},
        (r"old-1", r'(?s)("state": "completed".*"attempt": 1,.*){2}'),
        after=DRAINED,
    ),
}
