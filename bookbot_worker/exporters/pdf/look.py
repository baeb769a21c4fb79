"""How a printed book looks: the measures of its pages, the fonts of its language.

Owns the numbers and the names of fonts. Which of these fonts are there is `typesetting.py`'s to find out.
"""

from typing import Any

from bookbot_worker.exporters.options import TRIMS, ExportOptions

SERIF = "Libertinus Serif"
SANS = "Source Sans 3"
NASKH = "Amiri"
MONO = "DejaVu Sans Mono"

# The size of the text in points, and the inner and outer margin as shares of the page's width: 60 to 75 letters a line.
_MEASURES = {
    TRIMS["5x8"]: (10.0, 0.145, 0.11),
    TRIMS["6x9"]: (11.0, 0.14, 0.115),
    TRIMS["A5"]: (10.5, 0.14, 0.115),
    TRIMS["A4"]: (12.0, 0.19, 0.17),
}

# Of the same signs, Chinese, Japanese and Korean expect different shapes; these are the names under which systems have
# them. Latin letters come from the fonts before them.
_EAST_ASIAN = {
    "ja": ("Noto Serif CJK JP", "Noto Sans CJK JP"),
    "ko": ("Noto Serif CJK KR", "Noto Sans CJK KR"),
    "zh": ("Noto Serif CJK SC", "Noto Sans CJK SC"),
    "zh-TW": ("Noto Serif CJK TC", "Noto Sans CJK TC"),
    "zh-HK": ("Noto Serif CJK HK", "Noto Sans CJK HK"),
}
_ARABIC = frozenset({"ar", "ckb", "fa", "ps", "sd", "ug", "ur"})


def look(options: ExportOptions, fonts: list[str]) -> dict[str, Any]:
    """The measures of a page: millimetres, points, and shares of the width."""
    size, inside, outside = _MEASURES.get(options.trim, _MEASURES[TRIMS["6x9"]])
    return {
        "width": options.trim.width,
        "height": options.trim.height,
        "size": size,
        "inside": inside,
        "outside": outside,
        "fonts": fonts,
        "mono": [MONO, *fonts],
    }


def families(font: str, language: str) -> list[str]:
    """The fonts to look a letter up in, in this order; some of them may not be there."""
    primary = language.partition("-")[0]
    latin = [SERIF, NASKH] if font == "serif" else [SANS, SERIF, NASKH]
    if primary in _ARABIC:
        latin = [NASKH, *(name for name in latin if name != NASKH)]
    traditional = "zh-TW" if "Hant" in language else language
    eastern = _EAST_ASIAN.get(traditional) or _EAST_ASIAN.get(primary) or _EAST_ASIAN["zh"]
    return [*latin, *(eastern if font == "serif" else reversed(eastern)), "Noto Color Emoji"]
