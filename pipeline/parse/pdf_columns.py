"""Tables without upright rules: rows whose pieces stand under each other, as in a financial statement. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from pipeline.parse.pdf_cells import joined
from pipeline.parse.pdf_order import Row
from pipeline.parse.pdf_page import Line
from pipeline.parse.pdf_turn import union

Span = tuple[float, float]

NUMBER = re.compile(r"^(?=.*\d)[^A-Za-z]{1,18}[A-Za-z%*]{0,2}$|^[-–—−]{1,3}%?$|^(?:n/?[am]|NM|unq)$", re.IGNORECASE)
SIGN_BEFORE = re.compile(r"^[-–—(+]?\s?[$€£¥₩]$|^\($")
SIGN_AFTER = re.compile(r"^[)%]+$")
FEWEST_ROWS = 3
FEWEST_RULED = 2
MOST_BETWEEN = 2  # rows of one piece between two rows of cells: a subheading, a wrapped label
MOST_HEAD = 4
SHORT = 12.0  # a cell's width, in line heights
FAR = 2.5  # space between two rows of a table, in line heights
DEEPEST = 6
RAGGED = 1.5  # columns over the cells of the fullest row, above which pieces only happen to stand under each other
SPLIT = 1.0  # space, in line heights, that may part two tables
FEW = 0.08  # share of rows with a piece across the gap between two columns
NEAR_PT = 3.0
LEVEL = 0.3  # overlap of two rows, over the height of the lower one
ALIGNED = 0.6  # share of a column's cells that have one edge in common


@dataclass(frozen=True, slots=True)
class Block:
    """Rows `first` up to `end` of those given, and the columns their pieces fall in."""

    first: int
    end: int
    columns: tuple[Span, ...]


def tidy(row: Sequence[Line]) -> tuple[Line, ...]:
    """Signs that stand apart from their number joined with it: "$ 1,234", "(56 )", "7 %"."""
    pieces: list[Line] = []
    for piece in row:
        last = pieces[-1] if pieces else None
        if last and (
            (SIGN_BEFORE.match(last.text) and piece.text[:1] in "0123456789.(-–—−")
            or (SIGN_AFTER.match(piece.text) and last.text[-1:].isdigit())
        ):
            pieces[-1] = joined([last, piece])
        else:
            pieces.append(piece)
    return tuple(pieces)


def find_blocks(rows: Sequence[Row], ruled: Sequence[bool]) -> list[Block]:
    """Tables among rows in reading order, which `tidy` made. Those that are `ruled` may hold words alone."""
    tabular = [_is_tabular(row, between) for row, between in zip(rows, ruled, strict=True)]
    blocks: list[Block] = []
    place = 0
    while place < len(rows):
        if not tabular[place]:
            place += 1
            continue
        end = _end(rows, tabular, place, ruled)
        for block in _blocks(rows, tabular, place, end, FEWEST_RULED if all(ruled[place:end]) else FEWEST_ROWS):
            blocks.append(replace(block, first=max(_head(rows, block), blocks[-1].end if blocks else 0)))
        place = end
    return blocks


def _blocks(
    rows: Sequence[Row], tabular: Sequence[bool], first: int, end: int, fewest: int, depth: int = 0
) -> list[Block]:
    """The table of these rows, or the tables above and below the widest space between them."""
    if sum(tabular[first:end]) < fewest:
        return []
    if (block := _block(rows, tabular, first, end, fewest)) is not None:
        return [block]
    wide, place = max((_space(rows[place - 1], rows[place]), place) for place in range(first + 1, end))
    if wide < SPLIT or depth > DEEPEST:
        return []
    halves = ((first, place), (place, end))
    return [block for start, stop in halves for block in _blocks(rows, tabular, start, stop, fewest, depth + 1)]


def leveled(rows: Sequence[Row]) -> list[Row]:
    """Rows joined with the next where they overlap in height and nowhere else: cells set a little higher or lower."""
    result: list[Row] = []
    for row in rows:
        if result and _is_level(result[-1], row):
            result[-1] = tuple(sorted((*result[-1], *row), key=lambda line: line.flow[0]))
        else:
            result.append(row)
    return result


def _is_level(above: Row, below: Row) -> bool:
    first, second = union(line.flow for line in above), union(line.flow for line in below)
    shared = min(first[3], second[3]) - max(first[1], second[1])
    if shared < LEVEL * min(first[3] - first[1], second[3] - second[1]):
        return False
    return not any(left.flow[0] < right.flow[2] and right.flow[0] < left.flow[2] for left in above for right in below)


def to_cells(rows: Sequence[Row], columns: Sequence[Span]) -> list[list[str]]:
    """One list a row with one text a column; a piece goes to the column it shares most with, the first of equals."""
    cells = []
    for row in rows:
        texts: list[list[str]] = [[] for _ in columns]
        for piece in row:
            texts[_column(piece, columns)].append(piece.text)
        cells.append([" ".join(text) for text in texts])
    return cells


def _is_tabular(row: Sequence[Line], ruled: bool) -> bool:
    if len(row) < 2:
        return False
    numbers = sum(bool(NUMBER.match(piece.text)) for piece in row[1:])
    short = sum(piece.flow[2] - piece.flow[0] < SHORT * piece.height for piece in row)
    if numbers == len(row) - 1 or (ruled and short >= len(row) - 1):
        return True
    return len(row) > 2 and (short == len(row) or (numbers > 1 and short >= len(row) - 1))


def _end(rows: Sequence[Row], tabular: Sequence[bool], first: int, ruled: Sequence[bool]) -> int:
    """Just after the last row of cells that follows without a break."""
    end, between = first + 1, 0
    for place in range(first + 1, len(rows)):
        inside = ruled[place - 1] and ruled[place]
        if _space(rows[place - 1], rows[place]) > (2 * FAR if inside else FAR):
            break
        if tabular[place]:
            end, between = place + 1, 0
        elif (between := between + 1) > MOST_BETWEEN and not inside:
            break
    return end


def _space(above: Sequence[Line], below: Row) -> float:
    """Between two rows, in line heights; infinite if the second stands above the first, in the next column."""
    last, here = union(line.flow for line in above), union(line.flow for line in below)
    if here[1] + here[3] <= 2 * last[1]:
        return float("inf")
    return (here[1] - last[3]) / max(1.0, min(above[0].height, below[0].height))


def _block(rows: Sequence[Row], tabular: Sequence[bool], first: int, end: int, fewest: int) -> Block | None:
    full = [row for row, told in zip(rows[first:end], tabular[first:end], strict=True) if told]
    columns = _columns(full)
    if not 2 <= len(columns) <= RAGGED * max(map(len, full)) or not _are_aligned(full, columns, fewest):
        return None
    return Block(first, end, tuple(columns))


def _columns(rows: Sequence[Row]) -> list[Span]:
    """Where pieces stand and gaps between them: few rows may have a piece across a gap.

    What is left of them is one more column, because labels are often longer than the space they have.
    """
    usual = median(len(row) for row in rows)
    body = [row for row in rows if len(row) >= usual]
    spans = [(piece.flow[0], piece.flow[2]) for row in body for piece in row[1:]]
    ends = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    few = FEW * len(rows)
    columns: list[Span] = []
    depth, start = 0, 0.0
    for edge, side in ends:
        if depth <= few < depth + side:
            start = edge
        elif depth > few >= depth + side:
            columns.append((start, edge))
        depth += side
    left = min(row[0].flow[0] for row in body)
    first = [(left, columns[0][0] - 1.0)] if columns and left < columns[0][0] - 1.0 else []
    return _merged([*first, *columns])


def _merged(columns: Sequence[Span]) -> list[Span]:
    """Columns that all but touch are one."""
    result: list[Span] = []
    for column in columns:
        if result and column[0] - result[-1][1] < 0.5:
            result[-1] = (result[-1][0], column[1])
        else:
            result.append(column)
    return result


def _are_aligned(rows: Sequence[Row], columns: Sequence[Span], fewest: int) -> bool:
    """Most cells after the first column share an edge or the middle with those above and below them."""
    cells: dict[int, list[Line]] = {}
    for row in rows:
        for piece in row:
            cells.setdefault(_column(piece, columns), []).append(piece)
    later = {column: pieces for column, pieces in cells.items() if column and len(pieces) >= fewest}
    aligned = sum(map(_aligned, later.values()))
    return bool(later) and aligned >= ALIGNED * sum(len(pieces) for column, pieces in cells.items() if column)


def _aligned(pieces: Sequence[Line]) -> int:
    """How many of them have their left, right or middle in common."""
    return max(
        _alike([piece.flow[0] for piece in pieces]),
        _alike([piece.flow[2] for piece in pieces]),
        _alike([(piece.flow[0] + piece.flow[2]) / 2 for piece in pieces]),
    )


def _alike(places: Sequence[float]) -> int:
    usual = median(places)
    return sum(abs(place - usual) <= NEAR_PT for place in places)


def _head(rows: Sequence[Row], block: Block) -> int:
    """The first of the rows above that head the columns: short pieces over columns, none of them prose."""
    first = block.first
    starts = block.columns[1][0] - (block.columns[1][0] - block.columns[0][1]) / 2
    while first > 0 and block.first - first < MOST_HEAD and _space(rows[first - 1], rows[first]) < 1.2:
        row = rows[first - 1]
        beside = all(piece.flow[0] >= starts - 20 for piece in row)
        over = len(row) > 1 and len({_column(piece, block.columns) for piece in row}) == len(row)
        short = all(piece.flow[2] - piece.flow[0] < 2 * SHORT * piece.height for piece in row)
        if not short or not (beside or over):
            break
        first -= 1
    return first


def _column(piece: Line, columns: Sequence[Span]) -> int:
    """The column that shares most with the piece, or the nearest one."""
    x0, x1 = piece.flow[0], piece.flow[2]
    shares = [min(x1, end) - max(x0, start) for start, end in columns]
    best = max(shares)
    wide = [index for index, share in enumerate(shares) if share >= 0.9 * (columns[index][1] - columns[index][0])]
    return wide[0] if len(wide) > 1 else shares.index(best)
