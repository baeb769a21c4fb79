"""The page of a DOCX in its own units: twentieths of a point (twips), and English Metric Units for pictures."""

from dataclasses import dataclass

from bookbot_worker.exporters.options import Trim

_TWIPS = 1440 / 25.4
_EMU_PER_TWIP = 635
_ALMOST = 0.12
"""A picture this much wider or higher than the page is shown whole; any other fills the page."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """A page, in twips."""

    width: int
    height: int

    @classmethod
    def of(cls, trim: Trim) -> "Geometry":
        """The page of this trim size."""
        return cls(round(trim.width * _TWIPS), round(trim.height * _TWIPS))

    @property
    def inside(self) -> int:
        """The margin at the spine."""
        return round(self.width * 0.14)

    @property
    def outside(self) -> int:
        """The margin away from it."""
        return round(self.width * 0.115)

    @property
    def measure(self) -> int:
        """How long a line is."""
        return self.width - self.inside - self.outside

    @property
    def page(self) -> str:
        """The element for the page's size."""
        return f'<w:pgSz w:w="{self.width}" w:h="{self.height}"/>'

    def margins(self, *, is_cover: bool) -> str:
        """The element for the margins; with mirrored margins "left" is the inside."""
        top, bottom = round(self.height * 0.105), round(self.height * 0.115)
        sides = (0, 0, 0, 0) if is_cover else (top, self.outside, bottom, self.inside)
        named = " ".join(f'w:{name}="{at}"' for name, at in zip(("top", "right", "bottom", "left"), sides, strict=True))
        return f'<w:pgMar {named} w:header="{top // 2}" w:footer="{bottom // 2}" w:gutter="0"/>'

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """The size of a picture of these pixels on the page, in EMU."""
        page_width, page_height = self.width * _EMU_PER_TWIP, self.height * _EMU_PER_TWIP
        ratio = (width / height) / (page_width / page_height)
        if 1 - _ALMOST < ratio < 1 / (1 - _ALMOST):
            return page_width, page_height
        return (
            (page_width, round(page_width * height / width))
            if ratio > 1
            else (
                round(page_height * width / height),
                page_height,
            )
        )
