"""Small JPEGs of pictures and pages, kept in the store to be looked at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

LONG_SIDE_PX = 1280
QUALITY = 80
AT_ONCE = min(4, os.cpu_count() or 1)  # decoded, a page takes up to 26 MB


def thumbnails(paths: Sequence[Path]) -> list[Path]:
    """The `thumbnail` of each, several at a time. Raises `OSError` if one of them is no picture."""
    if len(paths) < 2:
        return [thumbnail(path) for path in paths]
    with ThreadPoolExecutor(AT_ONCE, "thumbnails") as pool:
        return list(pool.map(thumbnail, paths))


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
