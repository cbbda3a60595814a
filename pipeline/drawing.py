"""Draws on a page picture where a query is answered: the similarity map as a translucent layer, and boxes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pipeline.regions import PageMap
from pipeline.types import Box

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

WARM, FIRST, OTHER = (255, 170, 0), (200, 0, 60), (0, 90, 200)  # of the layer, the best box, the other boxes
OPAQUE = 110  # of 255, where the map is highest


def drawn(
    picture: Image.Image, size_pt: tuple[float, float], boxes: Sequence[Box], place: PageMap | None = None
) -> Image.Image:
    """A copy of the picture in RGB with the map under numbered boxes, which are in points of a page of `size_pt`."""
    scale = picture.width / max(size_pt[0], 1e-6), picture.height / max(size_pt[1], 1e-6)
    result = picture.convert("RGB")
    if place is not None and len(place.boxes):
        result.paste(WARM, (0, 0), _layer(place, scale, result.size))
    draw = ImageDraw.Draw(result)
    thick = max(2, round(max(result.size) / 400))
    font = ImageFont.load_default(max(12, round(max(result.size) / 60)))
    for number, box in reversed(list(enumerate(boxes, 1))):  # the best one on top
        colour = FIRST if number == 1 else OTHER
        x0, y0, x1, y1 = _pixels(box, scale, margin=2 * thick)
        draw.rectangle((x0, y0, x1, y1), outline=colour, width=thick if number > 1 else 2 * thick)
        if len(boxes) > 1:
            _number(draw, str(number), (x0, y0), colour, font)
    return result


def strengths(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """0..1 for each score: 0 up to the mean, 1 at the best; 0 where there is none, or all are the same.

    >>> strengths(np.array([0, 1, 2, np.nan], np.float32)).tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    known = np.isfinite(scores)
    if not known.any():
        return np.zeros_like(scores)
    low, high = float(scores[known].mean()), float(scores[known].max())
    spread = max(high - low, 1e-6)
    return np.where(known, (np.nan_to_num(scores) - low) / spread, 0).clip(0, 1).astype(np.float32)


def _layer(place: PageMap, scale: tuple[float, float], size: tuple[int, int]) -> Image.Image:
    """How opaque the colour is at each pixel."""
    layer = Image.new("L", size, 0)
    draw = ImageDraw.Draw(layer)
    strong = strengths(place.scores)
    for part in np.argsort(strong, kind="stable"):  # where parts overlap the better one is seen
        if strong[part] > 0:
            x0, y0, x1, y1 = _pixels(tuple(place.boxes[part].tolist()), scale)
            draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), fill=round(OPAQUE * float(strong[part])))
    return layer


def _pixels(box: Sequence[float], scale: tuple[float, float], margin: int = 0) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    return (
        round(x0 * scale[0]) - margin,
        round(y0 * scale[1]) - margin,
        round(x1 * scale[0]) + margin,
        round(y1 * scale[1]) + margin,
    )


def _number(draw: ImageDraw.ImageDraw, number: str, corner: tuple[int, int], colour: Colour, font: Font) -> None:
    """In a filled box at the upper left corner of its region, above it where there is room."""
    left, top, right, bottom = draw.textbbox((0, 0), number, font=font)
    width, height = round(right - left) + 8, round(bottom - top) + 8
    x, y = max(0, corner[0]), max(0, corner[1] - height)
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    draw.text((x + 4 - left, y + 4 - top), number, fill="white", font=font)
