"""Small JPEGs of pictures and pages, kept in the store to be looked at."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

LONG_SIDE_PX = 1280
QUALITY = 80


def thumbnail(path: Path) -> Path:
    """A JPEG at most 1280 pixels long beside the picture, which is one of our own re-encodings and safe to decode.

    Raises `OSError` for a file that is no picture.
    """
    target = path.with_name(path.name + ".thumbnail.jpg")
    with Image.open(path) as picture:
        picture.draft("RGB", (LONG_SIDE_PX, LONG_SIDE_PX))
        picture.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
        picture.convert("RGB").save(target, "JPEG", quality=QUALITY)
    return target
