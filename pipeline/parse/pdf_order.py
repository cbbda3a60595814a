"""The order in which a person reads the lines of a page: rows inside columns inside bands. Pure.

A variant of the recursive XY-cut (Nagy and Seth, 1984) that looks for the gutter first: the line down the page with the
most text lines on both sides. Lines across it (headings, wide tables) cut the page into bands; in each band the left
side is read before the right one, unless the two sides are the cells of rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from statistics import median

from pipeline.parse.pdf_page import Line

Row = tuple[Line, ...]  # lines that stand beside each other, from left to right

MIN_LINES = 3  # on each side of a gutter
PROSE = 8.0  # median length of a column's lines, in line heights
CELLS = 3.0
ALIGNED = 0.6  # share of lines with a partner at the same height, above which short lines are cells
DEEPEST = 12
MOST_LINES = 5_000  # a page with more (a map, a hostile file) keeps the order of the file


def rows_in_order(lines: Sequence[Line], depth: int = 0) -> list[Row]:
    """All lines, each once, as rows in reading order."""
    if len(lines) > MOST_LINES:
        return [(line,) for line in lines]
    gutter = _gutter(lines) if depth < DEEPEST else None
    if gutter is None:
        return rows(lines)
    result: list[Row] = []
    for band in _bands(lines, gutter):
        left = [line for line in band if line.flow[2] <= gutter]
        right = [line for line in band if line.flow[0] >= gutter]
        if not left or not right:
            result += rows(band) if len(band) == len(lines) else rows_in_order(band, depth + 1)
        elif _are_columns(left, right):
            result += rows_in_order(left, depth + 1) + rows_in_order(right, depth + 1)
        else:
            result += rows(band)
    return result


def rows(lines: Sequence[Line]) -> list[Row]:
    """Lines from top to bottom; those that share more than half their height with a row belong to it."""
    result: list[list[Line]] = []
    top = bottom = 0.0
    for line in sorted(lines, key=lambda line: line.flow[1] + line.flow[3]):
        shared = min(bottom, line.flow[3]) - max(top, line.flow[1])
        if result and shared > 0.5 * min(bottom - top, line.height):
            result[-1].append(line)
        else:
            result.append([line])
            top, bottom = line.flow[1], line.flow[3]
    return [tuple(sorted(row, key=lambda line: line.flow[0])) for row in result]


def _gutter(lines: Sequence[Line]) -> float | None:
    """Where most lines stand on both sides and few stand across; None if there is no such place."""
    if len(lines) < 2 * MIN_LINES:
        return None
    pad = 0.2 * median(line.height for line in lines)
    ends = sorted(line.flow[2] + pad for line in lines)
    starts = sorted(line.flow[0] - pad for line in lines)
    best, best_x, wide = 0.0, None, 0.0
    ended = started = 0
    for place, end in enumerate(ends):  # just after each right edge
        ended = place + 1
        while started < len(starts) and starts[started] < end:
            started += 1
        before, after = ended, len(lines) - started
        short, across = min(before, after), len(lines) - before - after
        score = 2.0 * short - across
        gap = starts[started] - end if started < len(starts) else 0.0
        if short >= MIN_LINES and across <= short and (score, gap) > (best, wide):
            best, best_x, wide = score, end - pad + 0.01 + (gap + 2 * pad) / 2, gap
    return best_x


def _bands(lines: Sequence[Line], gutter: float) -> list[list[Line]]:
    across = [line for line in lines if line.flow[0] < gutter < line.flow[2]]
    heights = sorted((line.flow[1] + line.flow[3]) / 2 for line in across)
    bands: dict[int, list[Line]] = {}
    crossing = {id(line) for line in across}
    for line in lines:
        middle = (line.flow[1] + line.flow[3]) / 2
        above = bisect_left(heights, middle)
        bands.setdefault(2 * above + (id(line) in crossing), []).append(line)
    return [bands[number] for number in sorted(bands)]


def _are_columns(left: Sequence[Line], right: Sequence[Line]) -> bool:
    lengths = [median((line.flow[2] - line.flow[0]) / line.height for line in side) for side in (left, right)]
    if min(lengths) >= PROSE:
        return True
    few, many = sorted((left, right), key=len)
    middles = sorted((line.flow[1] + line.flow[3]) / 2 for line in many)
    partners = sum(_has_partner(line, middles) for line in few)
    return partners < ALIGNED * len(few) and (min(lengths) >= CELLS or len(few) >= MIN_LINES)


def _has_partner(line: Line, middles: Sequence[float]) -> bool:
    """True if one of the sorted `middles` is at the line's height."""
    middle, near = (line.flow[1] + line.flow[3]) / 2, 0.35 * line.height
    place = bisect_left(middles, middle - near)
    return place < len(middles) and middles[place] <= middle + near
