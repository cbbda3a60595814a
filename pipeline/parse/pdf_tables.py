"""Tables of a PDF page as whole Markdown tables; looked for only where rules or aligned cells hint at one (slow)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pymupdf

from pipeline.parse.markdown_table import table_text
from pipeline.parse.pdf_order import rows
from pipeline.parse.pdf_page import Content, Line, turned
from pipeline.parse.pdf_text import union
from pipeline.types import Box, Part

MOST_DRAWINGS = 5_000  # beyond it a page is a map or a plot, and finding tables takes minutes
MOST_LINES = 3_000
RULES = 3
ALIGNED_ROWS = 4
MISSING = 0.01  # words cut at cell edges, per letter, above which a table is built from its lines instead


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table and the lines it is made of, which are not to be told again as paragraphs."""

    part: Part
    lines: tuple[Line, ...]
    flow: Box


def find_tables(page: pymupdf.Page, content: Content) -> list[FoundTable]:
    """Tables of at least two rows and two columns, in MuPDF's order; each line of the page is in one at most."""
    if content.vertical or not _may_have_table(content):
        return []
    free = list(content.lines)
    found = []
    for table in _upright_tables(page, content):
        box = turned(table.bbox, None)
        lines = [line for line in free if _share(line.flow, box) > 0.6]
        cells = _without_empty_columns([[cell or "" for cell in row] for row in table.extract()])
        if len(lines) < 2 or len(cells) < 2 or len(cells[0]) < 2:
            continue
        missing = _missing(cells, lines)
        if missing.total() > MISSING * sum(len(line.text) for line in lines):
            cells, missing = _cells_of_rows(lines), Counter()
        lines = [line for line in lines if not missing.keys() & set(line.text.split())]
        taken = set(map(id, lines))
        free = [line for line in free if id(line) not in taken]
        flow = union(line.flow for line in lines)
        shown = tuple((line.text, line.bbox) for row in rows(lines) for line in row)
        part = Part("table", table_text(cells), union(line.bbox for line in lines), lines=shown)
        found.append(FoundTable(part, tuple(lines), flow))
    return found


def _may_have_table(content: Content) -> bool:
    if len(content.drawings) > MOST_DRAWINGS or not 4 <= len(content.lines) <= MOST_LINES:
        return False
    boxes = [drawing.bbox for drawing in content.drawings]
    flat = [(round(box[0] / 3), round(box[2] / 3)) for box in boxes if box[3] - box[1] < 3 and box[2] - box[0] > 25]
    tall = [(round(box[1] / 3), round(box[3] / 3)) for box in boxes if box[2] - box[0] < 3 and box[3] - box[1] > 8]
    cells = [(round(box[1]), round(box[3])) for box in boxes if _is_cell(box)]
    alike = (_most_alike(flat), _most_alike(tall))
    return max(alike) >= RULES or len(cells) >= 2 * RULES <= 2 * _most_alike(cells) or _has_aligned_cells(content.lines)


def _most_alike(spans: Sequence[tuple[int, int]]) -> int:
    """How many rules begin and end at the same places, as those of a table do and underlines do not."""
    return max(Counter(spans).values(), default=0)


def _is_cell(box: Box) -> bool:
    return box[2] - box[0] > 15 and 6 < box[3] - box[1] < 150


def _has_aligned_cells(lines: Sequence[Line]) -> bool:
    """Several rows of three or more short cells, or of a number that stands apart, under each other."""
    edges: Counter[int] = Counter()
    for row in rows(lines):
        cells = 1 + sum(right.flow[0] - left.flow[2] > left.height for left, right in pairwise(row))
        short = sum(line.flow[2] - line.flow[0] < 12 * line.height for line in row)
        number = any(char.isdigit() for char in row[-1].text) and len(row[-1].text) <= 15
        if (cells >= 3 and short >= 2) or (cells >= 2 and number):
            edges.update({round(line.flow[side] / 4) for line in row[1:] for side in (0, 2)})
    return max(edges.values(), default=0) >= ALIGNED_ROWS


def _upright_tables(page: pymupdf.Page, content: Content) -> list[Any]:
    """MuPDF's tables in flow coordinates: for a page that is printed sideways, of the page turned upright."""
    rotation = page.rotation
    try:
        if content.direction:
            page.set_rotation((rotation - 90 * content.direction) % 360)
        finder = page.find_tables()
        return list(finder.tables) if finder else []
    finally:
        if content.direction:
            page.set_rotation(rotation)


def _missing(cells: Sequence[Sequence[str]], lines: Sequence[Line]) -> Counter[str]:
    """Words of the lines that the cells lack (MuPDF cut them at a cell's edge)."""
    wanted = Counter(word for line in lines for word in line.text.split())
    return wanted - Counter(word for row in cells for cell in row for word in cell.split())


def _cells_of_rows(lines: Sequence[Line]) -> list[list[str]]:
    """The table by its lines alone: each row's pieces from left to right, padded to the same width."""
    found = [[line.text for line in row] for row in rows(lines)]
    width = max(map(len, found))
    return [[""] * (width - len(row)) + row if len(row) > 1 else row + [""] * (width - 1) for row in found]


def _without_empty_columns(cells: list[list[str]]) -> list[list[str]]:
    used = [
        index
        for index in range(max(map(len, cells), default=0))
        if any(row[index : index + 1] != [""] for row in cells)
    ]
    return [[row[index] if index < len(row) else "" for index in used] for row in cells if any(row)]


def _share(inner: Box, outer: Box) -> float:
    width = min(inner[2], outer[2]) - max(inner[0], outer[0])
    height = min(inner[3], outer[3]) - max(inner[1], outer[1])
    area = max((inner[2] - inner[0]) * (inner[3] - inner[1]), 0.01)
    return max(0.0, width) * max(0.0, height) / area
