"""The order in which a person reads the lines of a page, from their boxes alone. Pure; left-to-right scripts.

A recursive XY-cut that starts with the columns: find the gutter with the most lines on both sides, let the lines that
span it (headings, full-width text) cut the page into bands, and read each band's left side before its right one.
Bands whose sides are rows of cells are read row by row. After Nagy and Seth (1984); the spanning lines are set apart
first, as later variants of the cut do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.types import Box

MIN_LINES = 3  # lines a side needs to be called a column
PROSE = 10.0  # typical length of a column's lines, in line heights (20 letters); cells are shorter
LABEL = 3.0  # below this they are numbers and bullets that stand beside their text
ALIGNED = 0.75  # share of lines with a partner at the same height that makes two sides one table

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of `boxes` (any unit, origin at the top left) in reading order; each index comes once.

    >>> reading_order([(60, 0, 90, 9), (0, 10, 50, 19), (0, 0, 50, 9)])
    [2, 0, 1]
    """
    array = np.asarray(boxes, np.float64).reshape(-1, 4)
    return [int(index) for index in _ordered(array, np.arange(len(array)))]


def _ordered(boxes: Floats, among: Indices) -> list[int]:
    side = _gutter(boxes, among)
    if side is None:
        return _rows(boxes, among)
    result: list[int] = []
    for band, sides in _bands(boxes, among, side):
        left, right = band[sides < 0], band[sides > 0]
        if len(left) and len(right) and not _columns(boxes, left, right):
            result += _rows(boxes, band) if len(band) == len(among) else _ordered(boxes, band)
        else:
            result += [*_ordered(boxes, left), *_ordered(boxes, right), *band[sides == 0]]
    return result


def _gutter(boxes: Floats, among: Indices) -> Indices | None:
    """For each line -1, 0 or 1: left of, across or right of the best gutter; None if there is no gutter."""
    if len(among) < 2 * MIN_LINES:
        return None
    left, right = boxes[among, 0], boxes[among, 2]
    height = _height(boxes, among)
    cuts = np.unique(right)[:, None]
    before = right - 0.3 * height <= cuts  # boxes are drawn a little wide
    after = ~before & (left + 0.3 * height >= cuts)
    short = np.minimum(before.sum(axis=1), after.sum(axis=1))
    best = int(np.argmax(np.where(short >= MIN_LINES, 2.0 * short - 0.5 * (~before & ~after).sum(axis=1), -np.inf)))
    if short[best] < MIN_LINES:
        return None
    edges = np.median(right[before[best]]), np.median(left[after[best]])
    spans = (left < edges[0] - 2 * height) & (right > edges[1] + 2 * height)  # else a line that is drawn too long
    side = np.where(left + right < sum(edges), -1, 1)
    return np.where(spans, 0, side).astype(np.int64)


def _bands(boxes: Floats, among: Indices, side: Indices) -> list[tuple[Indices, Indices]]:
    """The lines between two spanning lines, from the top, and their sides; each spanning line is a band too."""
    middle = (boxes[among, 1] + boxes[among, 3]) / 2
    across = np.sort(middle[side == 0])
    band = 2 * np.searchsorted(across, middle, side="left") + (side == 0)
    return [(among[band == number], side[band == number]) for number in np.unique(band)]


def _columns(boxes: Floats, left: Indices, right: Indices) -> bool:
    """True if the two sides are columns of text; False if they are the cells of rows, or too little to tell."""
    if min(len(left), len(right)) < MIN_LINES:
        return False
    height = _height(boxes, np.concatenate([left, right]))
    shorter = min(_typical(boxes[side, 2] - boxes[side, 0]) for side in (left, right)) / height
    if shorter >= PROSE or shorter < LABEL:
        return bool(shorter >= PROSE)
    few, many = sorted((left, right), key=len)
    middle = (boxes[:, 1] + boxes[:, 3]) / 2
    apart = np.abs(middle[few][:, None] - middle[many][None, :]).min(axis=1)
    return bool((apart < 0.35 * height).mean() < ALIGNED)


def _rows(boxes: Floats, among: Indices) -> list[int]:
    """Row by row; lines whose middles are less than half a line apart share a row."""
    middle = (boxes[:, 1] + boxes[:, 3]) / 2
    result: list[int] = []
    row: list[int] = []
    for index in sorted(among, key=lambda index: middle[index]):
        if row and middle[index] - middle[row[0]] > 0.5 * _height(boxes, among):
            result += sorted(row, key=lambda index: boxes[index, 0])
            row = []
        row.append(int(index))
    return result + sorted(row, key=lambda index: boxes[index, 0])


def _typical(lengths: Floats) -> float:
    """The length that half of the text stands in lines of: formulas and fragments count for little."""
    ordered = np.sort(lengths)
    return float(ordered[np.searchsorted(ordered.cumsum(), ordered.sum() / 2)])


def _height(boxes: Floats, among: Indices) -> float:
    return float(np.median(boxes[among, 3] - boxes[among, 1]))
