"""The text of a ruled grid's cells, or the finding that its strokes frame something else than a table. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise

from pipeline.parse.pdf_cells import cut, cut_at_gaps, is_gap
from pipeline.parse.pdf_grid import Cell, Grid
from pipeline.parse.pdf_order import Row, rows
from pipeline.parse.pdf_page import Line, Words
from pipeline.types import Box

Placed = tuple[Cell, Line]

TORN = 0.1  # share of words or phrases that a stroke runs through, above which the strokes are no table's
SPARSE = 0.5  # share of filled cells below which strokes between the words of a phrase are boxes around words
NARROW = 0.5  # space between two words of one phrase, in type sizes
NESTED = 0.3  # share of the text that is set in columns inside its cell, above which the grid only frames a table
STACKED = 0.7  # share of the rows of text in one band that fill several cells, above which each is a row
INSET = 1.5


def cells_of_grid(grid: Grid, lines: Sequence[Line], words: Words) -> list[list[str]] | None:
    """Rows of texts, one a column of the grid; None where the grid is no table.

    Each word goes to the cell its middle is in. A band between two rules is one row, or, where upright rules alone
    part the cells, as many rows as it has rows of text.
    """
    pieces = [cut(line, words, lambda boxes: _between_cells(grid, boxes)) for line in lines]
    placed = [(_cell(grid, piece.flow), piece) for row in pieces for piece in row]
    if _tears_words(grid, lines, words) or _is_nested(placed, words):
        return None
    bands: defaultdict[int, list[Placed]] = defaultdict(list)
    for cell, piece in placed:
        bands[cell[0]].append((cell, piece))
    columns = len(grid.xs) - 1
    cells = [texts for _, band in sorted(bands.items()) for texts in _rows_of_band(band, columns)]
    return None if _tears_phrases(pieces) and _is_sparse(cells) else cells


def _between_cells(grid: Grid, boxes: Sequence[Box]) -> list[int]:
    cells = [_cell(grid, box) for box in boxes]
    return [place for place in range(1, len(cells)) if cells[place] != cells[place - 1]]


def _cell(grid: Grid, box: Box) -> Cell:
    return _cell_at(grid, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def _cell_at(grid: Grid, x: float, y: float) -> Cell:
    column, row = bisect_right(grid.xs, x) - 1, bisect_right(grid.ys, y) - 1
    return grid.first[min(max(row, 0), len(grid.ys) - 2), min(max(column, 0), len(grid.xs) - 2)]


def _tears_words(grid: Grid, lines: Sequence[Line], words: Words) -> bool:
    boxes = [box for line in lines for _, box in words.get(line.place, ())]
    torn = 0
    for x0, y0, x1, y1 in boxes:
        start, end, middle = x0 + INSET, max(x0, x1 - INSET), (y0 + y1) / 2
        if bisect_right(grid.xs, start) != bisect_right(grid.xs, end):
            torn += _cell_at(grid, start, middle) != _cell_at(grid, end, middle)
    return torn > TORN * len(boxes)


def _tears_phrases(pieces: Sequence[Sequence[Line]]) -> bool:
    pairs = [pair for line in pieces for pair in pairwise(line)]
    narrow = sum(right.flow[0] - left.flow[2] < NARROW * left.size for left, right in pairs)
    return narrow > TORN * sum(map(len, pieces))


def _is_sparse(cells: Sequence[Sequence[str]]) -> bool:
    columns = [column for column in zip(*cells, strict=True) if any(column)]
    return sum(bool(text) for column in columns for text in column) < SPARSE * len(cells) * len(columns)


def _is_nested(placed: Sequence[Placed], words: Words) -> bool:
    """Whether much of the text stands in columns that no stroke parts: bands of colour, a frame around a table."""
    cells: defaultdict[Cell, list[Line]] = defaultdict(list)
    for cell, piece in placed:
        cells[cell] += cut_at_gaps(piece, words)
    inner = [row for pieces in cells.values() for row in rows(pieces)]
    nested = sum(len(row) for row in inner if any(is_gap(left, right) for left, right in pairwise(row)))
    return nested > NESTED * sum(map(len, inner))


def _rows_of_band(band: Sequence[Placed], columns: int) -> Iterator[list[str]]:
    cell_of = {id(piece): cell for cell, piece in band}
    for group in _stacked(rows([piece for _, piece in band]), cell_of):
        texts: list[list[str]] = [[] for _ in range(columns)]
        for piece in chain.from_iterable(group):
            texts[cell_of[id(piece)][1]].append(piece.text)
        yield [" ".join(text) for text in texts]


def _stacked(lines: Sequence[Row], cell_of: dict[int, Cell]) -> list[list[Row]]:
    """Rows of text in one band, grouped to the table's rows: one, or as many as fill its cells and hold numbers."""
    cells = set(cell_of.values())
    filled = [{cell_of[id(piece)] for piece in row} for row in lines]
    if len(cells) > 2 and filled.count(cells) > 1 and filled[0] == cells:
        starts = [own == cells for own in filled]  # a row that fills fewer cells goes on with the row above
    elif sum(len(own) > 1 for own in filled) >= STACKED * len(lines):
        starts = [True] * len(lines)
    else:
        return [list(lines)]
    groups: list[list[Row]] = []
    for row, is_start in zip(lines, starts, strict=True):
        if is_start:
            groups.append([row])
        else:
            groups[-1].append(row)
    alike = len(lines) > 2 and all(starts) and len(cells) > 2 and filled.count(cells) == len(lines)
    return groups if alike or _have_numbers(groups, cell_of) else [list(lines)]


def _have_numbers(groups: Sequence[Sequence[Row]], cell_of: dict[int, Cell]) -> bool:
    """Whether one column has a digit in the first line of most groups."""
    numbers: defaultdict[Cell, int] = defaultdict(int)
    for first, *_ in groups:
        for cell in {cell_of[id(piece)] for piece in first if any(char.isdigit() for char in piece.text)}:
            numbers[cell] += 1
    return max(numbers.values(), default=0) >= STACKED * len(groups)
