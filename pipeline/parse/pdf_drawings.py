"""The vector drawings of a PDF page: a box for each path, and the level and upright strokes that may rule a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.parse.pdf_library import pymupdf
from pipeline.parse.pdf_turn import turned
from pipeline.types import Box

MOST_DRAWINGS = 20_000
MOST_RULES = 5_000  # beyond it a page is a map or a plot
MOST_PIECES = 2_000  # of one path


@dataclass(frozen=True, slots=True)
class Drawing:
    """One vector path: its box, how many pieces it has, and whether a curve or slanted line is among them."""

    bbox: Box
    pieces: int
    slanted: bool


def read_drawings(page: pymupdf.Page, turn: pymupdf.Matrix | None) -> tuple[list[Drawing], list[Box]]:
    """All paths (at most `MOST_DRAWINGS`) and, unless there are too many, all strokes and rectangles in them."""
    drawings = []
    rules: list[Box] = []
    for rect, items in _paths(page):
        drawings.append(Drawing(turned(rect, turn), len(items), any(map(_is_slanted, items[:50]))))
        if len(items) <= MOST_PIECES and len(rules) <= MOST_RULES:
            rules += [turned(box, turn) for box in _straight(items)]
    return drawings, rules if len(rules) <= MOST_RULES else []


def _paths(page: pymupdf.Page) -> list[tuple[Box, list[Any]]]:
    """Box and items of the first paths, one for what is filled and then stroked; of millions only those are held."""
    paths: list[tuple[Box, list[Any]]] = []
    filled: list[Any] | None = None

    def take(path: dict[str, Any]) -> bool:
        nonlocal filled
        kind, items = path["type"], path.get("items", [])
        if (kind != "s" or items != filled) and len(paths) < MOST_DRAWINGS:
            paths.append((path["rect"], items))
        filled = items if kind == "f" else None
        return True

    page.get_cdrawings(callback=take)
    return paths


def _is_slanted(item: Any) -> bool:
    if item[0] != "l":
        return item[0] in ("c", "qu")
    (x0, y0), (x1, y1) = item[1:3]
    return bool(abs(x0 - x1) > 2 and abs(y0 - y1) > 2)


def _straight(items: Iterable[Any]) -> Iterator[Box]:
    for item in items:
        if item[0] == "re":
            yield item[1]
        elif item[0] == "l":
            (x0, y0), (x1, y1) = item[1:3]
            if abs(x0 - x1) <= 1 or abs(y0 - y1) <= 1:
                yield (x0, y0, x1, y1)
        elif item[0] == "qu":
            yield _around(item[1])


def _around(quad: Any) -> Box:
    xs, ys = zip(*quad, strict=True)
    return (min(xs), min(ys), max(xs), max(ys))
