"""Small JPEGs of pictures and pages, kept in the store to be looked at."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

LONG_SIDE_PX = 1280
QUALITY = 80
AT_ONCE = min(4, os.cpu_count() or 1)  # decoded, a page takes up to 26 MB
SOFT = 0.4  # of the blur before pixels are left out: by measurement the nearest to Lanczos


def thumbnails(paths: Sequence[Path]) -> list[Path]:
    """The `thumbnail` of each, several at a time. Raises `OSError` if one of them is no picture."""
    if len(paths) < 2:
        return [thumbnail(path) for path in paths]
    with ThreadPoolExecutor(AT_ONCE, "thumbnails") as pool:
        return list(pool.map(thumbnail, paths))


def thumbnail(path: Path) -> Path:
    """A JPEG at most 1280 pixels long beside the picture, which is one of our own re-encodings and safe to decode.

    Raises `OSError` for a file that is no picture, or far larger than any of ours.
    """
    try:
        return _made(path, path.with_name(path.name + ".thumbnail.jpg"))
    except Image.DecompressionBombError as error:
        raise OSError(str(error)) from error


def _made(path: Path, target: Path) -> Path:
    with Image.open(path) as picture:
        picture.draft("RGB", (LONG_SIDE_PX, LONG_SIDE_PX))
        picture.load()
        plain = picture if picture.mode in ("RGB", "L") else picture.convert("RGB")
        if max(plain.size) > LONG_SIDE_PX:
            plain = shrunk(plain, LONG_SIDE_PX)
        coloured = plain if plain.mode == "RGB" else plain.convert("RGB")
        coloured.save(target, "JPEG", quality=QUALITY)
    return target


def shrunk(picture: Image.Image, long_side_px: int) -> Image.Image:
    """A larger picture in RGB or grey, made `long_side_px` long: cubic, after a blur that grows with what is left out.

    In OpenCV it takes a third of the time of Pillow's Lanczos, and differs from that as much as its JPEG does.
    """
    import cv2

    scale = max(picture.size) / long_side_px
    size = [max(1, round(side / scale)) for side in picture.size]
    pixels = cv2.GaussianBlur(np.asarray(picture), (0, 0), SOFT * (scale**2 - 1) ** 0.5)
    return Image.fromarray(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8))
