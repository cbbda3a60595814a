"""Opens a page picture of any size and shape as one that every processor takes, in bounded memory."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from pipeline.errors import Unreadable

LONG_SIDE_PX = 4096  # more than any of the processors keeps of a page
SHORT_SIDE_PX = 28  # one patch; below it a processor takes rows of pixels for colours
PROPORTION = 100  # long side over short side; ColQwen2 takes no more than 200


def open_page(path: Path) -> Image.Image:
    """The page in RGB, as it is if its size is usual; Unreadable if it cannot be decoded.

    A larger one is scaled down, one that is very small or narrow is stretched: cells of the page stay cells of it.
    """
    try:
        with Image.open(path) as opened:
            if max(opened.size) > LONG_SIDE_PX:
                opened.draft("RGB", (LONG_SIDE_PX, LONG_SIDE_PX))  # a large JPEG is decoded small
            picture = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{path.name}: the page picture cannot be decoded ({error})") from error
    size = usual_size(*picture.size)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2)


def usual_size(width: int, height: int) -> tuple[int, int]:
    """The size nearest to this one that every processor takes.

    >>> usual_size(1240, 1754), usual_size(20_000, 10_000), usual_size(20_000, 40), usual_size(1, 1)
    ((1240, 1754), (4096, 2048), (4096, 41), (28, 28))
    """
    scale = min(1.0, LONG_SIDE_PX / max(width, height))
    width, height = round(width * scale), round(height * scale)
    least = max(SHORT_SIDE_PX, -(-max(width, height) // PROPORTION))
    return max(width, least), max(height, least)
