"""What the router knows of a standalone picture: is it a page with text on it, or a photograph? Pixels only, no OCR."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.types import PictureSignals

LONGEST_PX = 1200  # text of 8 points on A4 is then about 6 px high
BLOCK_PX = 32  # of the background's estimate: larger than a letter, smaller than a shadow
NEAR = 0.06  # of the background's brightness: paper and its noise
CONTRAST = 0.22  # below the background's brightness: ink
STRIP_PX = 64  # strips this narrow keep lines apart on a page that is turned by 3 degrees
LINE_PX = (4, 48)  # height of a line of text in the copy
CLEAN = 0.04  # ink in the rows between two lines, at most
DENSITY = (0.06, 0.65)  # ink inside a line's box
STROKES = 1.5  # changes from paper to ink in a row of a strip, on average
ENOUGH = 12  # line pieces (of a strip's width) that make a text

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def picture_signals(image: Image.Image, size_px: tuple[int, int] | None = None) -> PictureSignals:
    """Signals of an RGB picture, whose original had `size_px`; costs about 40 ms whatever its size."""
    copy = image.copy()
    copy.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.BOX, reducing_gap=2.0)
    rgb: Floats = np.asarray(copy, dtype=np.float32) / np.float32(255)
    grey: Floats = rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    if np.median(grey) < 0.4:  # a dark slide: text is lighter than its ground
        grey = 1 - grey
    level = grey / np.maximum(_background(grey), 0.05)
    paper = (level > 1 - NEAR) & (level < 1 + NEAR)
    ink = level < 1 - CONTRAST
    width, height = size_px or image.size
    return PictureSignals(
        width_px=width,
        height_px=height,
        paper=round(float(paper.mean()), 4),
        ink=round(float(ink.mean()), 4),
        colourful=round(_colourful(rgb), 4),
        lines=round(max(_lines(ink), _lines(ink.T)), 4),
    )


def _background(grey: Floats) -> Floats:
    """Brightness of the ground at every pixel: a high percentile of its neighbourhood, smoothed."""
    rows, columns = (max(1, round(side / BLOCK_PX)) for side in grey.shape)
    coarse = _percentiles(grey, rows, columns)
    padded = np.pad(coarse, 1, mode="edge")
    around = np.stack([padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)])
    smooth = Image.fromarray(np.percentile(around, 75, axis=0).astype(np.float32))
    return np.asarray(smooth.resize(grey.shape[::-1], Image.Resampling.BILINEAR), dtype=np.float32)


def _percentiles(grey: Floats, rows: int, columns: int) -> Floats:
    """85th percentile of each block, (rows, columns); blocks of one size at once, of which there are up to four.

    >>> _percentiles(np.arange(10, dtype=np.float32).reshape(2, 5), 1, 2)  # of three columns and of two
    array([[6.25, 8.55]], dtype=float32)
    """
    bands = [
        np.concatenate(
            [
                np.percentile(part.reshape(high, -1, wide, part.shape[1] // wide), 85, axis=(1, 3))
                for part, wide in _by_size(band, columns, 1)
            ],
            axis=1,
        )
        for band, high in _by_size(grey, rows, 0)
    ]
    return np.concatenate(bands).astype(np.float32)


def _by_size(grey: Floats, count: int, axis: int) -> Iterator[tuple[Floats, int]]:
    """The part that blocks of one pixel more take when an axis is cut into `count`, and the rest; with their blocks."""
    larger = grey.shape[axis] % count
    edge = larger * (grey.shape[axis] // count + 1)
    first, rest = np.split(grey, [edge], axis=axis)
    if larger:
        yield first, larger
    yield rest, count - larger


def _colourful(rgb: Floats) -> float:
    """Spread and strength of colour opponents, 0 for grey, about 1 for the most vivid.

    Hasler and Suesstrunk, Measuring colourfulness in natural images (2003), divided by 110 and cut off at 1.
    """
    red, green, blue = rgb[..., 0] * 255, rgb[..., 1] * 255, rgb[..., 2] * 255
    rg, yb = red - green, (red + green) / 2 - blue
    spread = np.hypot(rg.std(), yb.std())
    strength = np.hypot(rg.mean(), yb.mean())
    return min(1.0, float(spread + 0.3 * strength) / 110)


def _lines(ink: Mask) -> float:
    """Share of the ink that stands in pieces of text lines, less if there are few of them.

    The picture is cut into upright strips. A piece is a band of a strip that holds several strokes side by side,
    with clean rows above and below it.
    """
    total = int(ink.sum())
    pieces, inside = 0, 0
    for start in range(0, ink.shape[1] - STRIP_PX // 2, STRIP_PX):
        found, covered = _pieces(ink[:, start : start + STRIP_PX])
        pieces += found
        inside += covered
    return inside / total * min(1.0, pieces / ENOUGH) if total else 0.0


def _pieces(strip: Mask) -> tuple[int, int]:
    """Number of line pieces in a strip and the ink in them."""
    width = strip.shape[1]
    amount = strip.sum(axis=1)
    strokes = (strip[:, 1:] & ~strip[:, :-1]).sum(axis=1)
    full = np.concatenate(([False], amount > CLEAN * width, [False]))
    edges = np.flatnonzero(full[1:] != full[:-1])
    top, bottom = edges[::2], edges[1::2]
    sums = np.concatenate(([0], np.cumsum(amount)))
    changes = np.concatenate(([0], np.cumsum(strokes)))
    height = bottom - top
    covered = sums[bottom] - sums[top]
    density = covered / np.maximum(height * width, 1)
    steps = (changes[bottom] - changes[top]) / np.maximum(height, 1)
    good = (height >= LINE_PX[0]) & (height <= LINE_PX[1]) & (steps >= STROKES)
    good &= (density >= DENSITY[0]) & (density <= DENSITY[1])
    return int(good.sum()), int(covered[good].sum())
