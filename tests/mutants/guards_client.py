"""Guards of the OpenAI-compatible client: what leaves, what is taken in, what is told, when a stream ends."""

from tests.mutants.guard import Guard, guard

CLIENT = "bookbot_worker/llm/openai_compatible/"
AUTHOR = CLIENT + "author.py"
TRANSPORT = CLIENT + "transport.py"

TESTS = "tests/integration/test_openai_client.py::"
SECRECY = "tests/acceptance/test_key_secrecy.py::"

LLM_CLIENT: tuple[Guard, ...] = (
    guard(
        "only-needed-headers-leave",
        "the SDK would send what the environment says, secrets of others among it",
        TESTS + "test_only_what_is_needed_leaves_whatever_the_environment_says",
        (TRANSPORT, " if name.lower() in NEEDED]", "]"),
    ),
    guard(
        "no-redirects",
        "the prompt, and the key, would go where a server sends them",
        TESTS + "test_faults_that_stay_are_errors",
        (AUTHOR, "follow_redirects=False", "follow_redirects=True"),
        (TRANSPORT, "        if _origin(request.url) != self._home:\n", "        if False:\n"),
    ),
    guard(
        "events-are-bounded",
        "one event without an end would fill the memory",
        TESTS + "test_nonsense_of_any_size_is_an_error_of_its_kind",
        (TRANSPORT, "            if since > self._limit:\n", "            if False:\n"),
    ),
    guard(
        "answers-are-bounded",
        "an answer without an end would be paid for without an end",
        TESTS + "test_faults_that_stay_are_errors",
        (
            CLIENT + "answer.py",
            "        if self.length > self.limit:\n",
            "        if self.length > 100 * self.limit:\n",
        ),
    ),
    guard(
        "cut-answers-are-no-answers",
        "the SDK ends a broken stream as if it were whole",
        TESTS + "test_faults_worth_repeating_are_retries",
        (CLIENT + "answer.py", "            raise Unreadable(Kind.CUT)\n", "            return\n"),
    ),
    guard(
        "what-servers-echo-is-masked",
        "some repeat the key they refuse",
        TESTS + "test_faults_that_stay_are_errors",
        ("bookbot_worker/llm/masking.py", "masked(text[: 8 * LONGEST_DETAIL], key)", "text"),
    ),
    guard(
        "errors-leave-the-sdks-behind",
        "its exceptions hold the request, and what the server said unmasked",
        SECRECY + "test_no_repr_and_no_error_shows_the_key",
        (AUTHOR, "return error if fault is None else self._failure(*fault, answer)", "return error"),
    ),
    guard(
        "a-stop-closes-the-stream",
        "a job that is called off would wait for the next word, which is paid for",
        TESTS
        + "test_whatever_makes_a_job_stop_closes_the_stream_at_once "
        + TESTS
        + "test_what_the_reader_of_the_pieces_raises_ends_the_answer",
        (AUTHOR, "            with listener.closing(cancel):\n", "            with listener.closing(lambda: None):\n"),
        (AUTHOR, "        finally:\n            cancel()\n", "        finally:\n            pass\n"),
    ),
)
