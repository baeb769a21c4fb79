"""The nine template variables for one scene, built from plain texts. It reads no database and renders nothing."""

from dataclasses import dataclass

from bookbot_worker.books import outline, sections


@dataclass(frozen=True, slots=True)
class SceneContext:
    """What is known when a scene is written; all texts are the latest versions, "" where there is none.

    `scene_id` is the number in the outline's `[[Scene n]]`, None for a scene the outline does not know.
    `previous` and `following` are the neighbouring scenes in reading order.
    """

    scene_id: int | None
    brief: str = ""
    style: str = ""
    outline: str = ""
    characters: str = ""
    settings: str = ""
    previous: str = ""
    following: str = ""
    current: str = ""
    review: str = ""


def variables(context: SceneContext) -> dict[str, str]:
    """The values of the nine variables by name.

    Characters and settings are those the scene's outline section names; where it names none, those it mentions.
    """
    scenes = outline.parse(context.outline).scenes if context.scene_id is not None else ()
    scene = next((scene for scene in scenes if scene.id == context.scene_id), None)
    section = scene.section if scene else ""
    characters, settings = (scene.characters, scene.settings) if scene else ((), ())
    return {
        "PreviousChunk": context.previous,
        "NextChunk": context.following,
        "CurrentVersion": context.current,
        "Review": context.review,
        "Brief": context.brief,
        "Style": context.style,
        "OutlineSection": section,
        "CharactersSections": _chosen(context.characters, characters, section),
        "SettingsSections": _chosen(context.settings, settings, section),
    }


def _chosen(markdown: str, names: tuple[str, ...], section: str) -> str:
    return sections.pick(markdown, names) or sections.mentioned(markdown, section)
