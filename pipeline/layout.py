"""Where on a page its text lines or its vectors are, as one JSON text beside the row. Pure.

{"lines": [[x0, y0, x1, y1, confidence], ...]}     one for each line of the row's text, boxes in page points
{"grid": [rows, columns], "owner": [...]}           the vector that stands for each cell, row by row, -1 for none
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.types import Box, PageGrid, TextLine


@dataclass(frozen=True, slots=True)
class Layout:
    """What a row's layout says; both empty for a row without one."""

    lines: tuple[TextLine, ...] = ()
    grid: PageGrid | None = None


def dump_layout(lines: Sequence[TextLine], grid: PageGrid | None) -> str:
    """The layout as it is stored; "" if there is nothing to say.

    >>> dump_layout([TextLine("total", (1, 2, 30.04, 4), 0.98765)], None)
    '{"lines":[[1,2,30.0,4,0.988]]}'
    """
    values: dict[str, object] = {}
    if lines:
        values["lines"] = [[*(round(side, 1) for side in line.bbox), round(line.confidence, 3)] for line in lines]
    if grid is not None:
        values |= {"grid": list(grid.owner.shape), "owner": grid.owner.reshape(-1).tolist()}
    return json.dumps(values, separators=(",", ":")) if values else ""


def load_layout(stored: str, text: str) -> Layout:
    """Inverse of `dump_layout`; `text` is the row's, whose lines are named. Raises ValueError for anything else.

    >>> load_layout('{"lines":[[1,2,30.0,4,0.5]]}', "total").lines
    (TextLine(text='total', bbox=(1, 2, 30.0, 4), confidence=0.5),)
    """
    if not stored:
        return Layout()
    values = json.loads(stored)
    boxes = values.get("lines", [])
    texts = text.split("\n") if boxes else []
    lines = tuple(
        TextLine(words, (x0, y0, x1, y1), confidence)
        for words, (x0, y0, x1, y1, confidence) in zip(texts, boxes, strict=True)
    )
    if "grid" not in values:
        return Layout(lines)
    rows, columns = values["grid"]
    return Layout(lines, PageGrid(np.array(values["owner"], np.int32).reshape(rows, columns)))


def best_region(scores: npt.NDArray[np.float32], width_pt: float, height_pt: float) -> Box:
    """The box, in page points, around the part of the page that scores best in a `similarity_map`.

    That part is the best cell and all that hang together with it, side by side or one above the other, and score more
    than half way from the map's mean to its maximum. The whole page if no cell has a score.

    >>> best_region(np.array([[0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.9, 0.8]], np.float32), 400, 200)
    (200.0, 100.0, 400.0, 200.0)
    """
    rows, columns = scores.shape
    if not np.isfinite(scores).any():
        return 0.0, 0.0, float(width_pt), float(height_pt)
    best = float(np.nanmax(scores))
    high = scores >= (float(np.nanmean(scores)) + best) / 2  # False where there is no score
    row, column = divmod(int(np.nanargmax(scores)), columns)
    region, edge = {(row, column)}, [(row, column)]
    while edge:
        row, column = edge.pop()
        for cell in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if cell not in region and 0 <= cell[0] < rows and 0 <= cell[1] < columns and high[cell]:
                region.add(cell)
                edge.append(cell)
    top, bottom = min(row for row, _ in region), max(row for row, _ in region) + 1
    left, right = min(column for _, column in region), max(column for _, column in region) + 1
    cell_width, cell_height = width_pt / columns, height_pt / rows
    return left * cell_width, top * cell_height, right * cell_width, bottom * cell_height
