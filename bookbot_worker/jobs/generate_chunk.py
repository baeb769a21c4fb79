"""`generate_chunk`: one scene, written by the LLM, as a new version of its chunk.

Owns building the prompt from the book and storing the answer; what the prompt says is the book's bot and task.
"""

from collections.abc import Callable

from bookbot_worker.books import template, words
from bookbot_worker.books.context import SceneContext, variables
from bookbot_worker.books.library import Bot, Task
from bookbot_worker.jobs.base import ChunkJob
from bookbot_worker.jobs.versions import add_version, latest
from bookbot_worker.jobs.writing_kit import UnknownEntry, UnusableEntry, choose_bot, choose_task
from bookbot_worker.llm.client import Message, Prompt
from bookbot_worker.outcomes import Retry
from shared.models import Chunk


class GenerateChunkJob(ChunkJob):
    """Writes its chunk; `result` says how many words, and which version."""

    def execute(self) -> bool:
        """True with a new version in the session; False where the bot, the task or the chunk cannot be used.

        Raises Retry where the LLM answers with nothing.
        """
        chunk = self.chunk
        if chunk.type != "scene":
            return self._fail(f"This chunk is the book's {chunk.type}; only scenes can be written.")
        try:
            bot = choose_bot(self.session, chunk.book_id, self.props.bot)
            task = choose_task(self.session, chunk.book_id, self.props.task, self.job.job_type, self.props.mode)
        except (UnknownEntry, UnusableEntry) as error:
            return self._fail(str(error))
        prompt = self._prompt(bot, task, variables(self._context_of(chunk)))
        self.log(f"{bot.name} does {task.name!r}, about {self.props.target_words} words", bot=bot.name, task=task.name)
        completion = self.llm.complete(prompt, on_text=self._watch())
        text = completion.text.strip()
        if not text:
            raise Retry(f"{completion.model} answered with nothing")
        version = add_version(
            self.session,
            chunk,
            text,
            job_id=self.job.job_id,
            props={
                "provider": completion.provider,
                "model": completion.model,
                "mode": self.props.mode,
                "target_words": self.props.target_words,
            },
        )
        self.job.result = {"words": version.word_count, "version": version.version}
        self.log(f"wrote {version.word_count} words as version {version.version}")
        return True

    def _context_of(self, chunk: Chunk) -> SceneContext:
        texts = {known.type: known.text for known in latest(self.session, chunk.book_id, *_TEXTS)}
        scenes = latest(self.session, chunk.book_id, "scene")
        place = next((index for index, scene in enumerate(scenes) if scene.chunk_id == chunk.chunk_id), None)
        number, review = chunk.props.get("scene"), chunk.props.get("review")
        return SceneContext(
            scene_id=number if isinstance(number, int) else None,
            previous=scenes[place - 1].text if place else "",
            following=scenes[place + 1].text if place is not None and place + 1 < len(scenes) else "",
            current=chunk.text,
            review=review if isinstance(review, str) else "",
            **texts,
        )

    def _prompt(self, bot: Bot, task: Task, values: dict[str, str]) -> Prompt:
        question = f"{template.render(task.prompt, values).rstrip()}\n\nWrite about {self.props.target_words} words."
        return Prompt(
            (Message("system", bot.prompt), Message("user", question)),
            model=self.props.model or bot.model,
            temperature=bot.temperature if self.props.temperature is None else self.props.temperature,
            max_words=self.props.target_words,
        )

    def _watch(self) -> Callable[[str], None]:
        """What turns the pieces of the answer into progress; it stays below 1 until the text is stored."""
        target, written = self.props.target_words, 0

        def piece_came(piece: str) -> None:
            nonlocal written
            written += words.count(piece)
            self.progress(min(0.99, written / target), f"{written} of about {target} words")

        return piece_came

    def _fail(self, message: str) -> bool:
        self.job.error_message = message
        self.log(message, "ERROR")
        return False


_TEXTS = ("brief", "style", "outline", "characters", "settings")
