"""Grids that ruled lines and rectangles make: the cells of ruled tables, and the boxes that rules only bound. Pure.

After the lattice method of Tabula and Nurminen (2013): strokes are snapped and joined, those that cross make a group,
and neighbouring cells with no stroke between them are one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.types import Box

Cell = tuple[int, int]  # row, column
Edges = npt.NDArray[np.float64]  # (n, 3): position across, start and end along

THICK = 3.0  # a rectangle this thin is a stroke
SNAP = 2.5
JOIN = 3.5
SHORTEST = 7.0
MOST_EDGES = 1_500  # level times upright ones is what finding the crossings costs
MOST_CELLS = 30_000
MOST_GRIDS = 100
FEWEST_RULES = 3


@dataclass(frozen=True, slots=True)
class Grid:
    """Edges of rows and columns, and for each cell the top left one of those it is joined with."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    first: dict[Cell, Cell]

    @property
    def bbox(self) -> Box:
        return (self.xs[0], self.ys[0], self.xs[-1], self.ys[-1])


def find_grids(boxes: Iterable[Box], area: float) -> tuple[list[Grid], list[Box]]:
    """Grids of at least two rows and columns, and boxes of rules that bound rows alone, both from the top."""
    level, upright = _edges(boxes, area)
    if len(level) > MOST_EDGES or len(upright) > MOST_EDGES:
        return [], []
    grids, bounded = [], []
    lonely = np.ones(len(level), bool)
    for levels, uprights in _groups(level, upright):
        if (grid := _grid(level[levels], upright[uprights])) is None:
            continue
        lonely[levels] = False
        rows, columns = len(grid.ys) - 1, len(grid.xs) - 1
        if rows > 1 and columns > 1:
            grids.append(grid)
        elif rows > 1:
            bounded.append(grid.bbox)
    bounded += _between_rules(level[lonely])
    grids = sorted(grids, key=lambda grid: len(grid.first))[-MOST_GRIDS:]
    return sorted(grids, key=lambda grid: grid.bbox[1]), bounded[:MOST_GRIDS]


def _edges(boxes: Iterable[Box], area: float) -> tuple[Edges, Edges]:
    level: list[tuple[float, float, float]] = []
    upright: list[tuple[float, float, float]] = []
    for x0, y0, x1, y1 in boxes:
        wide, high = x1 - x0, y1 - y0
        if wide * high > 0.9 * area:
            continue
        if wide <= THICK or high <= THICK:
            if wide > high:
                level.append(((y0 + y1) / 2, x0, x1))
            elif high > wide:
                upright.append(((x0 + x1) / 2, y0, y1))
        else:
            level += [(y0, x0, x1), (y1, x0, x1)]
            upright += [(x0, y0, y1), (x1, y0, y1)]
    return _joined(level), _joined(upright)


def _joined(edges: list[tuple[float, float, float]]) -> Edges:
    """Edges at nearly the same place snapped to it, and those that touch end to end joined; short ones left out."""
    edges.sort()
    found: list[tuple[float, float, float]] = []
    start = 0
    for end in range(1, len(edges) + 1):
        if (
            end < len(edges)
            and edges[end][0] - edges[end - 1][0] <= SNAP
            and edges[end][0] - edges[start][0] <= 2 * SNAP
        ):
            continue
        place = sum(edge[0] for edge in edges[start:end]) / (end - start)
        spans: list[list[float]] = []
        for low, high in sorted((edge[1], edge[2]) for edge in edges[start:end]):
            if spans and low <= spans[-1][1] + JOIN:
                spans[-1][1] = max(spans[-1][1], high)
            else:
                spans.append([low, high])
        found += [(place, low, high) for low, high in spans if high - low >= SHORTEST]
        start = end
    return np.array(found, float).reshape(-1, 3)


def _groups(level: Edges, upright: Edges) -> list[tuple[list[int], list[int]]]:
    """Indices of level and upright edges that cross each other, directly or through others."""
    if not len(level) or not len(upright):
        return []
    across, along = level[:, None, :], upright[None, :, :]
    crossing = (
        (along[..., 0] >= across[..., 1] - JOIN)
        & (along[..., 0] <= across[..., 2] + JOIN)
        & (across[..., 0] >= along[..., 1] - JOIN)
        & (across[..., 0] <= along[..., 2] + JOIN)
    )
    groups = []
    seen = np.zeros(len(level), bool)
    for start in np.flatnonzero(crossing.any(axis=1)):
        if seen[start]:
            continue
        levels = np.arange(len(level)) == start
        while True:
            uprights = crossing[levels].any(axis=0)
            reached = crossing[:, uprights].any(axis=1)
            if np.array_equal(reached, levels):
                break
            levels = np.asarray(reached)
        seen[levels] = True
        groups.append((np.flatnonzero(levels).tolist(), np.flatnonzero(uprights).tolist()))
    return groups


def _grid(level: Edges, upright: Edges) -> Grid | None:
    ys = _with_ends(sorted(set(level[:, 0])), upright)
    xs = _with_ends(sorted(set(upright[:, 0])), level)
    rows, columns = len(ys) - 1, len(xs) - 1
    if rows < 1 or columns < 1 or rows * columns > MOST_CELLS:
        return None
    return Grid(tuple(xs), tuple(ys), _first_cells(_borders(level, ys, xs), _borders(upright, xs, ys).T))


def _with_ends(places: list[float], across: Edges) -> list[float]:
    """Places of edges, and the ends of those that cross them where they reach farther (a table open at its sides)."""
    low, high = float(across[:, 1].min()), float(across[:, 2].max())
    if low < places[0] - 2 * JOIN:
        places = [low, *places]
    if high > places[-1] + 2 * JOIN:
        places = [*places, high]
    return [float(place) for place in places]


def _borders(edges: Edges, places: Sequence[float], along: Sequence[float]) -> npt.NDArray[np.bool_]:
    """(places, spans along): whether an edge at the place covers the middle of the span."""
    middles = (np.array(along[:-1]) + np.array(along[1:])) / 2
    found = np.zeros((len(places), len(middles)), bool)
    index = {place: number for number, place in enumerate(places)}
    covered = (middles >= edges[:, 1, None]) & (middles <= edges[:, 2, None])
    np.logical_or.at(found, [index[place] for place in edges[:, 0]], covered)
    return found


def _first_cells(level: npt.NDArray[np.bool_], upright: npt.NDArray[np.bool_]) -> dict[Cell, Cell]:
    """For each cell, the first in reading order of those that no border parts from it."""
    rows, columns = upright.shape[0], level.shape[1]
    first: dict[Cell, Cell] = {}
    for start in ((row, column) for row in range(rows) for column in range(columns)):
        if start in first:
            continue
        first[start] = start
        waiting = [start]
        while waiting:
            row, column = waiting.pop()
            near = [
                ((row, column + 1), column + 1 < columns and not upright[row, column + 1]),
                ((row, column - 1), column > 0 and not upright[row, column]),
                ((row + 1, column), row + 1 < rows and not level[row + 1, column]),
                ((row - 1, column), row > 0 and not level[row, column]),
            ]
            for cell, is_open in near:
                if is_open and cell not in first:
                    first[cell] = start
                    waiting.append(cell)
    return first


def _between_rules(level: Edges) -> list[Box]:
    """Boxes between the first and the last of three or more level rules of one length and place."""
    alike: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for place, low, high in level:
        alike[round(low / 4), round(high / 4)].append(float(place))
    return [
        (4.0 * low, min(places), 4.0 * high, max(places))
        for (low, high), places in alike.items()
        if len(places) >= FEWEST_RULES and high - low >= 15
    ]
