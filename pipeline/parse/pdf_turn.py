"""Coordinates of a PDF page: as MuPDF gives them, as displayed, and turned so that the text is level. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline.parse.pdf_library import pymupdf
from pipeline.types import Box


def turned(box: Any, turn: pymupdf.Matrix | None) -> Box:
    """A box of MuPDF's in displayed coordinates; `turn` is the page's rotation matrix, None for a page without one."""
    if turn is not None:
        box = pymupdf.Rect(box) * turn
    x0, y0, x1, y1 = box
    if x0 <= x1 and y0 <= y1:
        return (x0, y0, x1, y1)
    return (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def direction_of(vector: tuple[float, float], turn: pymupdf.Matrix | None) -> int:
    """0 to the right, 1 down, 2 to the left, 3 up; a slanted line counts as the nearest of them."""
    x, y = vector
    if turn is not None:
        x, y = x * turn.a + y * turn.c, x * turn.b + y * turn.d
    if abs(x) >= abs(y):
        return 0 if x >= 0 else 2
    return 1 if y > 0 else 3


def flow_of(box: Box, direction: int, width: float, height: float, mirrored: bool = False) -> Box:
    """The box on a page of `width` x `height` turned so that text of that direction runs to the right, rows down.

    `mirrored` counts from the right edge, for text that runs from right to left.
    """
    x0, y0, x1, y1 = box
    match direction:
        case 1:  # next line to the left: vertical Japanese too
            x0, y0, x1, y1 = (y0, width - x1, y1, width - x0)
        case 2:
            x0, y0, x1, y1 = (width - x1, height - y1, width - x0, height - y0)
        case 3:
            x0, y0, x1, y1 = (height - y1, x0, height - y0, x1)
    return (width - x1, y0, width - x0, y1) if mirrored else (x0, y0, x1, y1)


def union(boxes: Iterable[Box]) -> Box:
    """The smallest box around all of them; there is at least one."""
    first, *others = boxes
    if not others:
        return first
    x0, y0, x1, y1 = zip(first, *others, strict=True)
    return (min(x0), min(y0), max(x1), max(y1))
