"""Tables of a PDF page as whole Markdown tables: those in ruled grids, between rules, and of aligned columns. Pure.

No network is asked and no text is measured twice: rules come from the page's drawings and words from its text layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from pipeline.parse.markdown_table import table_text
from pipeline.parse.pdf_cells import cut_at_gaps, words_by_line
from pipeline.parse.pdf_columns import find_blocks, leveled, tidy, to_cells
from pipeline.parse.pdf_grid import find_grids
from pipeline.parse.pdf_order import Row, rows, rows_in_order
from pipeline.parse.pdf_page import Content, Line, Words
from pipeline.parse.pdf_ruled import cells_of_grid
from pipeline.parse.pdf_turn import flow_of, union
from pipeline.types import Box, Part

MOST_LINES = 5_000
FEWEST_LINES = 4
TABULAR = 0.4  # share of rows with several filled cells, below which it is a form, a figure or an outline
FILLED, FILLED_PLOT = 0.3, 0.6  # share of cells; the latter for what stands in a figure
LONGEST_TICK = 5  # characters beside the axes of a plot
LONGEST_CELL = 400  # characters; a frame around prose makes no table


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table and the lines it is made of, which are not to be told again as paragraphs."""

    part: Part
    lines: tuple[Line, ...]
    flow: Box


def find_tables(content: Content, figures: Sequence[Box]) -> list[FoundTable]:
    """Tables of at least two rows and two columns; each line of the page is in one at most.

    What stands in one of the `figures` and is sparse is a plot with its labels.
    """
    if content.vertical or not FEWEST_LINES <= len(content.lines) <= MOST_LINES:
        return []
    words = words_by_line(content)
    size = (content.width, content.height)
    boxes = (flow_of(box, content.direction, *size, content.mirrored) for box in content.rules)
    grids, bounded = find_grids(boxes, content.area) if content.rules else ([], [])
    free = list(content.lines)
    found: list[FoundTable] = []

    def keep(table: FoundTable | None) -> None:
        if table is not None:
            found.append(table)
            taken = set(map(id, table.lines))
            free[:] = [line for line in free if id(line) not in taken]

    for grid in grids:
        inside = _inside(free, grid.bbox)
        if cells := cells_of_grid(grid, inside, words):
            keep(_table(cells, inside, figures))
        else:
            bounded.append(grid.bbox)
    for table in _in_columns(leveled(rows_in_order(free)), words, bounded, figures):
        keep(table)
    return found


def _inside(lines: Sequence[Line], box: Box) -> list[Line]:
    return [line for line in lines if _share(line.flow, box) > 0.6]


def _in_columns(
    lines: Sequence[Row], words: Words, bounded: Sequence[Box], figures: Sequence[Box]
) -> Iterator[FoundTable]:
    pieces = [tidy([piece for line in row for piece in cut_at_gaps(line, words)]) for row in lines]
    ruled = [False] * len(pieces)
    if bounded:
        flows = [union(piece.flow for piece in row) for row in pieces]
        ruled = [any(_share(flow, box) > 0.6 for box in bounded) for flow in flows]
    for block in find_blocks(pieces, ruled):
        used = [line for row in lines[block.first : block.end] for line in row]
        if (table := _table(to_cells(pieces[block.first : block.end], block.columns), used, figures)) is not None:
            yield table


def _table(cells: list[list[str]], lines: Sequence[Line], figures: Sequence[Box]) -> FoundTable | None:
    cells = _without_empty_columns(cells)
    bbox = union(line.bbox for line in lines)
    filled = [sum(map(bool, row)) for row in cells]
    if sum(count > 1 for count in filled) < max(2, TABULAR * len(cells)):
        return None
    share = sum(filled) / sum(map(len, cells))
    usual = median(len(text) for row in cells for text in row if text)
    drawn = any(_share(bbox, figure) > 0.6 for figure in figures)
    if share < FILLED or usual > LONGEST_CELL or (drawn and share < FILLED_PLOT and usual < LONGEST_TICK):
        return None
    shown = tuple((line.text, line.bbox) for row in rows(lines) for line in row)
    part = Part("table", table_text(cells), bbox, lines=shown)
    return FoundTable(part, tuple(lines), union(line.flow for line in lines))


def _without_empty_columns(cells: list[list[str]]) -> list[list[str]]:
    used = [index for index in range(max(map(len, cells), default=0)) if any(row[index] for row in cells)]
    return [[row[index] for index in used] for row in cells if any(row)]


def _share(inner: Box, outer: Box) -> float:
    width = min(inner[2], outer[2]) - max(inner[0], outer[0])
    height = min(inner[3], outer[3]) - max(inner[1], outer[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = max((inner[2] - inner[0]) * (inner[3] - inner[1]), 0.01)
    return width * height / area
