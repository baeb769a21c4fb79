"""Pictures given by people: which kinds are taken, how large they may be. Only headers are read, nothing is decoded.

The exporters' process imports this, so it stays light: how a picture is stored is in `pictures.py`.
"""

import struct
from dataclasses import dataclass

from shared.errors import InvalidInput

MAX_BYTES = 10 * 1024 * 1024
MAX_SIDE = 10_000

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
# Start-of-frame markers: those of C0 to CF that are no tables (C4), no extension (C8), no arithmetic coding (CC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class Cover:
    """A picture for the front: PNG or JPEG, its size in pixels."""

    media_type: str
    width: int
    height: int
    content: bytes

    @property
    def extension(self) -> str:
        """Without dot."""
        return "png" if self.media_type == "image/png" else "jpg"


def cover_of(content: bytes) -> Cover:
    """The picture as a cover. Raises InvalidInput for what is no whole PNG or JPEG of a usable size."""
    if len(content) > MAX_BYTES:
        raise InvalidInput("cover", f"{len(content)} bytes, the limit is {MAX_BYTES}")
    size = None
    if content.startswith(_PNG) and content[12:16] == b"IHDR" and content.rstrip(b"\x00")[-8:-4] == b"IEND":
        media_type, size = "image/png", struct.unpack(">II", content[16:24])
    elif content.startswith(_JPEG) and b"\xff\xd9" in content[-64:]:
        media_type, size = "image/jpeg", _jpeg_size(content)
    if size is None:
        raise InvalidInput("cover", "is no whole PNG or JPEG picture")
    width, height = size
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise InvalidInput("cover", f"{width} × {height} pixels, the limit is {MAX_SIDE} on a side")
    return Cover(media_type, width, height, content)


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Width and height from the first frame header; None where there is none."""
    at = 2
    while at + 10 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker in _FRAMES:
            length, _precision, height, width, components = struct.unpack_from(">HBHHB", content, at + 2)
            return (width, height) if length == 8 + 3 * components else None
        if marker == 0xFF:
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + int(struct.unpack(">H", content[at + 2 : at + 4])[0])
    return None
