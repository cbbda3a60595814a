"""Boxes and similarity maps as shapes to lay over a page picture, in page points. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.drawing import strengths
from pipeline.regions import PageMap
from pipeline.types import Box

MOST_PARTS = 300  # of a map
FAINT = 0.08  # of 1, below which a part of a map is not seen


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle; `strength` is 0 to 1, `number` counts boxes from 1 and is 0 for parts of a map."""

    x: float
    y: float
    width: float
    height: float
    strength: float = 1.0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Overlay:
    """What lies over a page of this size in points: a map, and boxes, the best first."""

    width: float
    height: float
    map: tuple[Shape, ...]
    boxes: tuple[Shape, ...]


def overlay(size: tuple[float, float], boxes: Sequence[Box], place: PageMap | None) -> Overlay:
    return Overlay(
        round(size[0], 1),
        round(size[1], 1),
        () if place is None else _map(place),
        tuple(shape(box, number=number) for number, box in enumerate(boxes, 1)),
    )


def shape(box: Sequence[float], strength: float = 1.0, number: int = 0) -> Shape:
    x0, y0, x1, y1 = (float(side) for side in box)
    return Shape(round(x0, 1), round(y0, 1), round(max(0, x1 - x0), 1), round(max(0, y1 - y0), 1), strength, number)


def around(boxes: Sequence[Box]) -> tuple[float, float]:
    """A size that has room for all boxes and a margin like the one they leave, for a page whose own is not known.

    >>> around([(72, 60, 500, 700)])
    (572.0, 760.0)
    """
    if not boxes:
        return 612.0, 792.0
    left, top, right, bottom = zip(*boxes, strict=True)
    return float(max(right) + max(0.0, min(left))), float(max(bottom) + max(0.0, min(top)))


def _map(place: PageMap) -> tuple[Shape, ...]:
    strong = strengths(place.scores)
    best = [part for part in np.argsort(-strong, kind="stable")[:MOST_PARTS] if strong[part] > FAINT]
    return tuple(shape(place.boxes[part].tolist(), round(float(strong[part]), 2)) for part in reversed(best))
