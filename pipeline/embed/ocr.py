"""The words on a page picture, upright and in reading order, with their places on the page as it is.

A picture is looked at in low resolution first, and again in a higher one only if its text is small. Pages that were
scanned sideways, upside down or askew are told from the lines themselves, and read straightened.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.embed.ocr_engine import OcrEngine, Pixels, Quads, Words
from pipeline.embed.ocr_models import DEFAULT, OcrModels, find_models
from pipeline.embed.reading_order import reading_order
from pipeline.embed.straighten import turn_of
from pipeline.errors import Unreadable
from pipeline.types import Box, Reading, TextLine

VERSION = "5"  # part of the identity: raise it when the same models read the same picture differently
MIN_CONFIDENCE = 0.5
FIRST_LOOK_MPX, SECOND_LOOK_MPX = 0.66, 2.8  # of detection: A4 at 82 and at 170 dpi
SMALL_TEXT_PX = 10.0  # line height at the first look below which there is a second
FLAT = 2.0  # standard deviation of the pixels below which a picture is a plain sheet
TURNED_DEG = 2.0  # askew by more than this, a page is looked at again when it is straight
TALL = 1.5  # height over width of a line that is read from the side
SURE = 0.9  # mean confidence of the longest lines above which nobody asks whether the page is upside down
SAMPLE = 6  # how many lines these are: one pass of the recogniser
UNSURE = 0.75  # mean confidence of a page below which a person should look
FEW_LINES = 3  # of fewer lines nothing is said
MOST_WIDTH = 600_000  # pixels of line width read of one page: three newspaper pages


class Ocr:
    """A `Reader` of a language, with the models inside the wheel or those in `folder`; they load at the first picture.

    `threads` of compute, 0 means one a core. Several threads may read at once. `id` and `read` raise UsageError if
    there are no such models.
    """

    def __init__(self, language: str = DEFAULT, folder: str = "", threads: int = 0) -> None:
        self._language, self._folder, self._threads = language, folder, threads
        self._loading = Lock()

    @property
    def id(self) -> str:
        return f"{self._models.id} v{VERSION}"

    def read(self, path: Path, width_pt: float, height_pt: float) -> Reading:
        """The lines in reading order, boxes in page points, without those of a confidence below .5.

        Raises Unreadable if the picture cannot be decoded, UsageError if a model cannot be loaded.
        """
        pixels = _load(path)
        if _spread(pixels) < FLAT:
            return Reading()
        quads, level, seen, note = self._look(pixels)
        to_page = np.array([width_pt / pixels.shape[1], height_pt / pixels.shape[0]])
        corners = np.clip(quads * to_page, 0, [width_pt, height_pt])
        _give_memory_back()
        lines = tuple(
            TextLine(" ".join(seen[i].text.split()), _around(corners[i]), round(seen[i].confidence, 3))
            for i in reading_order([_around(quad) for quad in level])
            if _is_read(seen[i])
        )
        return Reading(lines, note)

    def _look(self, pixels: Pixels) -> tuple[Quads, Quads, list[Words], str]:
        """Corners of the lines on the picture, the same on a straight page, what they say, and what was left out."""
        quads, dropped = self._detect(pixels)
        turn = turn_of(quads, *pixels.shape[:2])
        straight, level = pixels, turn.ahead(quads)
        if turn.quarters or abs(turn.skew) > TURNED_DEG:
            straight = turn.picture(pixels)
            level, dropped = self._detect(straight)
            quads = turn.back(level)
        crops = [crop(straight, quad) for quad in (quads if straight is pixels else level)]
        kept = _within_budget(crops)
        seen, upside_down = self._recognise([crops[i] for i in kept])
        note = "; ".join(filter(None, (_left_out(dropped + len(crops) - len(kept), len(kept)), _unsure(seen))))
        return quads[kept], -level[kept] if upside_down else level[kept], seen, note

    def _detect(self, pixels: Pixels) -> tuple[Quads, int]:
        """Corners of the lines, and how many more pieces of text were not looked at."""
        size = pixels.shape[0] * pixels.shape[1] / 1e6
        quads, dropped = self._engine.detect(pixels, FIRST_LOOK_MPX)
        scale = min(1.0, (FIRST_LOOK_MPX / size) ** 0.5)
        if scale < 1 and (not len(quads) or _height(quads) * scale < SMALL_TEXT_PX):
            quads, dropped = self._engine.detect(pixels, SECOND_LOOK_MPX)
        return quads, dropped

    def _recognise(self, crops: Sequence[Pixels]) -> tuple[list[Words], bool]:
        """What the lines say, and whether they stood upside down: the longest ones tell before the others are read."""
        longest = sorted(range(len(crops)), key=lambda i: -crops[i].shape[1] / crops[i].shape[0])
        first, others = longest[:SAMPLE], longest[SAMPLE:]
        sample = self._engine.recognise([crops[i] for i in first])
        upside_down = False
        if first and _confidence(sample) < SURE:
            turned = self._engine.recognise([_half_turned(crops[i]) for i in first])
            if _confidence(turned) > _confidence(sample) + 0.1:
                sample, upside_down = turned, True
        rest = self._engine.recognise([_half_turned(crops[i]) if upside_down else crops[i] for i in others])
        seen = dict(zip([*first, *others], [*sample, *rest], strict=True))
        return [seen[i] for i in range(len(crops))], upside_down

    @cached_property
    def _models(self) -> OcrModels:
        return find_models(self._language, self._folder)

    @property
    def _engine(self) -> OcrEngine:
        with self._loading:
            return self._loaded

    @cached_property
    def _loaded(self) -> OcrEngine:
        return OcrEngine(self._models, self._threads)


def _load(path: Path) -> Pixels:
    """The picture as (height, width, 3) BGR."""
    import cv2

    try:
        with Image.open(path) as opened:
            plain = np.asarray(opened if opened.mode == "RGB" else opened.convert("RGB"))
            return np.asarray(cv2.cvtColor(plain, cv2.COLOR_RGB2BGR), np.uint8)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise Unreadable(f"{path.name}: the page picture cannot be decoded ({error})") from error


def _spread(pixels: Pixels) -> float:
    """Standard deviation over all pixels and colours."""
    import cv2

    means, spreads = cv2.meanStdDev(pixels)
    return float(np.sqrt((spreads**2).mean() + means.var()))


def crop(pixels: Pixels, quad: Quads) -> Pixels:
    """The line between four corners, from left to right; a tall one turned by a quarter to the left."""
    upright = cut_out(pixels, quad)
    line = straightened(pixels, quad) if upright is None else upright
    height, width = line.shape[:2]
    return np.asarray(np.rot90(line) if height >= TALL * width else line, np.uint8)


def cut_out(pixels: Pixels, quad: Quads) -> Pixels | None:
    """The part of the picture, which needs no drawing, if the corners are whole numbers of an upright box on it."""
    left, top, right, bottom = whole = [int(side) for side in (*quad[0], *quad[2])]
    height, width = pixels.shape[:2]
    is_box = np.array_equal(quad, [(left, top), (right, top), (right, bottom), (left, bottom)])
    if is_box and min(whole) >= 0 and left < right <= width and top < bottom <= height:
        return pixels[top:bottom, left:right]
    return None


def straightened(pixels: Pixels, quad: Quads) -> Pixels:
    import cv2

    width = max(1, round(max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3]))))
    height = max(1, round(max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2]))))
    goal = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    to_line = cv2.getPerspectiveTransform(np.asarray(quad, np.float32), goal)
    line = cv2.warpPerspective(pixels, to_line, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(line, np.uint8)


def _half_turned(line: Pixels) -> Pixels:
    return np.ascontiguousarray(line[::-1, ::-1])


def _within_budget(crops: Sequence[Pixels]) -> list[int]:
    """The lines that are read, in order: all, or of a page that is full of pieces the largest."""
    widths = [48 * crop.shape[1] / crop.shape[0] for crop in crops]
    if sum(widths) <= MOST_WIDTH:
        return list(range(len(crops)))
    largest = sorted(range(len(crops)), key=lambda i: -crops[i].shape[0] * crops[i].shape[1])
    total = np.cumsum([widths[i] for i in largest])
    return sorted(largest[: int(np.searchsorted(total, MOST_WIDTH))])


def _confidence(words: Sequence[Words]) -> float:
    return float(np.mean([word.confidence for word in words]))


def _is_read(word: Words) -> bool:
    return word.confidence >= MIN_CONFIDENCE and bool(word.text.strip())


def _unsure(seen: Sequence[Words]) -> str:
    """What to say of a page whose lines cannot be read for the most part, or not surely."""
    read = [word for word in seen if _is_read(word)]
    unread = len(seen) - len(read)
    if len(seen) < FEW_LINES:
        return ""
    advice = 'if it is in another script, see "ocr.language"'
    if unread > len(seen) / 2:
        return f"OCR could not read {unread:,} of {len(seen):,} lines; {advice}"
    mean = _confidence(read)
    return f"OCR is not sure of what it read (mean confidence {mean:.2f}); {advice}" if mean < UNSURE else ""


def _left_out(dropped: int, read: int) -> str:
    if not dropped:
        return ""
    return f"OCR read the {read:,} largest of {read + dropped:,} pieces of what may be text; the others are left out"


def _height(quads: Quads) -> float:
    """Height of a typical line in pixels."""
    sides = [np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1), np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)]
    return float(np.median(np.minimum(*sides)))


def _give_memory_back() -> None:
    """Returns freed memory to the system: pages of many shapes leave glibc with .5 GB more than the models need."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _around(corners: npt.NDArray[np.floating[Any]]) -> Box:
    """The upright box around corners."""
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)
