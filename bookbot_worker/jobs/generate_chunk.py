"""`generate_chunk`: one scene written, rewritten, edited, copyedited or reviewed by the LLM, as a new version.

Owns building the prompt from the book and storing the answer; what the prompt says is the book's bot and task, and
what each mode may do to a scene is in `revising.py`.
"""

from collections.abc import Callable
from typing import Any

from bookbot_worker.books import answers, template
from bookbot_worker.books.context import SceneContext, variables
from bookbot_worker.books.library import Bot, Task
from bookbot_worker.books.revising import Length, length_of, why_not_kept
from bookbot_worker.jobs.base import ChunkJob
from bookbot_worker.jobs.versions import add_version, latest
from bookbot_worker.jobs.whole_answers import UnfinishedAnswer, ask_whole
from bookbot_worker.jobs.writing_kit import UnknownEntry, UnusableEntry, choose_bot, choose_task, model_for
from bookbot_worker.llm.client import Completion, Message, Prompt
from bookbot_worker.outcomes import Retry
from shared import words
from shared.models import Chunk

_CONSUMED = ("review", "review_model", "copyedit_model")


class GenerateChunkJob(ChunkJob):
    """Works on its chunk; `result` says how many words it has now, and which version that is."""

    def execute(self) -> bool:
        """True with a new version in the session; False where bot, task, chunk or answer cannot be used.

        Raises Retry where the LLM answers with nothing.
        """
        chunk, mode = self.chunk, self.props.mode
        if chunk.type != "scene":
            return self._fail(f"This chunk is the book's {chunk.type}; only scenes can be written.")
        if mode != "write" and not chunk.text.strip():
            return self._fail(f"This scene is empty, so there is nothing to {mode}; write it first (mode write).")
        try:
            bot = choose_bot(self.session, chunk.book_id, self.props.bot, mode)
            task = choose_task(self.session, chunk.book_id, self.props.task, self.job.job_type, mode)
        except (UnknownEntry, UnusableEntry) as error:
            return self._fail(str(error))
        asked = self.props.target_words if "target_words" in self.props.model_fields_set else None
        length = length_of(mode, asked, chunk.word_count)
        prompt = self._prompt(bot, task, length, variables(self._context_of(chunk)))
        self.log(f"{bot.name} does {task.name!r}, about {length.words} words", bot=bot.name, task=task.name)
        try:
            completion = ask_whole(self.llm, prompt, self.job.attempt, on_text=self._watch(length.words))
        except UnfinishedAnswer as error:
            return self._fail(str(error))
        text = answers.prose(completion.text, str(chunk.props.get("title") or ""))
        if not text:
            raise Retry(f"{completion.model} answered with nothing")
        if reason := why_not_kept(mode, chunk.text, text, length.words):
            return self._fail(reason)
        self._store(chunk, text, completion, length)
        return True

    def _store(self, chunk: Chunk, text: str, completion: Completion, length: Length) -> None:
        """The next version: a review stands in its props, everything else is its text.

        A text that was written anew or edited has used up its review, which stays with the version it is about.
        """
        job_id, mode = self.job.job_id, self.props.mode
        if mode == "review":
            props: dict[str, Any] = {"review": text, "review_model": completion.model}
            version = add_version(self.session, chunk, chunk.text, job_id=job_id, props=props)
            said = f"reviewed {version.word_count} words in {words.count(text)}"
        elif mode == "copyedit":
            props = {"mode": mode, "copyedit_model": completion.model}
            version = add_version(self.session, chunk, text, job_id=job_id, props=props)
            said = f"copyedited {version.word_count} words" + ("; nothing was changed" if text == chunk.text else "")
        else:
            props = {
                "provider": completion.provider,
                "model": completion.model,
                "mode": mode,
                "target_words": length.words,
            }
            version = add_version(self.session, chunk, text, job_id=job_id, props=props, without=_CONSUMED)
            said = f"wrote {version.word_count} words"
        self.job.result = {"words": version.word_count, "version": version.version}
        self.log(f"{said} as version {version.version}")

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

    def _prompt(self, bot: Bot, task: Task, length: Length, values: dict[str, str]) -> Prompt:
        question = template.render(task.prompt, values).rstrip()
        return Prompt(
            (Message("system", bot.prompt), Message("user", f"{question}\n\n{length.wish}".rstrip())),
            model=model_for(self.session, self.chunk.book_id, task.llm_group, self.props.model, bot.model),
            temperature=bot.temperature if self.props.temperature is None else self.props.temperature,
            max_words=length.words,
        )

    def _watch(self, target: int) -> Callable[[str], None]:
        """What turns the pieces of the answer into progress; it stays below 1 until the text is stored."""
        written = 0

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
