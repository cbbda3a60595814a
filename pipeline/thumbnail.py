"""Small JPEGs of pictures and pages, kept in the store to be looked at."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

LONG_SIDE_PX = 1280
QUALITY = 80


def thumbnail(path: Path) -> bytes:
    """JPEG bytes of a picture at most 1280 pixels long. The file is one of our own re-encodings, safe to decode."""
    with Image.open(path) as picture:
        picture.draft("RGB", (LONG_SIDE_PX, LONG_SIDE_PX))
        picture.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX), Image.Resampling.LANCZOS, reducing_gap=2.0)
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
