"""Where on a page its text lines or its vectors are, as one JSON text beside the row. Pure.

{"lines": [[x0, y0, x1, y1, confidence], ...]}     one for each line of the row's text, boxes in page points
{"grid": [rows, columns], "owner": [...]}           the vector that stands for each cell, row by row, -1 for none
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import PageGrid, TextLine


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
