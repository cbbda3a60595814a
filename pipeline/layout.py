"""Where on a page its text lines or its vectors are, as one JSON text beside the row. Pure.

{"lines": [[x0, y0, x1, y1, confidence], ...]}     one for each line of the row's text, boxes in page points
{"grid": [rows, columns], "owner": [...]}           the vector that stands for each cell, row by row, -1 for none
{"read": [reader, picture, note]}                   of a page that was read: by what, from which picture
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import PageGrid, TextLine


@dataclass(frozen=True, slots=True)
class ReadBy:
    """Where the text of a page row came from: the reader's id, the picture's, and what was left out."""

    reader: str
    picture: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a row's layout says; all empty for a row without one. `read` is None where the text is the page's own."""

    lines: tuple[TextLine, ...] = ()
    grid: PageGrid | None = None
    read: ReadBy | None = None


def dump_layout(lines: Sequence[TextLine], grid: PageGrid | None, read: ReadBy | None = None) -> str:
    """The layout as it is stored; "" if there is nothing to say.

    >>> dump_layout([TextLine("total", (1, 2, 30.04, 4), 0.98765)], None)
    '{"lines":[[1,2,30.0,4,0.988]]}'
    """
    values: dict[str, object] = {}
    if read is not None:
        values["read"] = [read.reader, read.picture, read.note]
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
    read = ReadBy(*values["read"]) if "read" in values else None
    boxes = values.get("lines", [])
    texts = text.split("\n") if boxes else []
    lines = tuple(
        TextLine(words, (x0, y0, x1, y1), confidence)
        for words, (x0, y0, x1, y1, confidence) in zip(texts, boxes, strict=True)
    )
    if "grid" not in values:
        return Layout(lines, None, read)
    rows, columns = values["grid"]
    return Layout(lines, PageGrid(np.array(values["owner"], np.int32).reshape(rows, columns)), read)
