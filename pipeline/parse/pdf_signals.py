"""The router's signals of one PDF page, from its content; `docs/routing.md` defines each. Pure."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.parse.gibberish import gibberish
from pipeline.parse.pdf_drawings import Drawing
from pipeline.parse.pdf_page import Content, Line
from pipeline.parse.pdf_turn import union
from pipeline.types import Box, PageSignals

GRID = 40  # cells a side for picture coverage
CELL_PT = 6.0  # cell of the grid that clusters drawings
MOST_CELLS = 400  # a side, so that a huge page does not make a huge grid
UNMAPPED = {"Cc", "Cf", "Cn", "Co", "Cs"}
HARMLESS = set("\t\n\r\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e")
SMALLEST_FIGURE_PT = 40.0
FEWEST_PIECES = 8


@dataclass(frozen=True, slots=True)
class Cluster:
    """Drawings that touch or nearly touch."""

    bbox: Box
    pieces: int
    slanted: int


def page_signals(content: Content, figures: Sequence[Box]) -> PageSignals:
    """Signals of a page; `figures` are its text-poor drawing clusters (`find_figures`)."""
    letters = Counter(content.text)
    for space in [char for char in letters if char.isspace()]:
        del letters[space]
    count = letters.total()
    shares = [_area(clip(placed.bbox, content)) / content.area for placed in content.placed]
    return PageSignals(
        chars=count,
        bad=round(sum(number for char, number in letters.items() if _is_bad(char)) / max(1, count), 4),
        coverage=round(coverage(content), 4),
        biggest=round(min(1.0, max(shares, default=0.0)), 4),
        invisible=round(min(1.0, content.invisible), 4),
        drawings=len(content.drawings),
        figure=round(max((_area(box) / content.area for box in figures), default=0.0), 4),
        gibberish=gibberish(content.text),
    )


def coverage(content: Content) -> float:
    """Share of a 40 x 40 grid that embedded pictures cover."""
    grid = np.zeros((GRID, GRID), bool)
    for placed in content.placed:
        x0, y0, x1, y1 = clip(placed.bbox, content)
        columns = _cells(x0 / content.width * GRID, x1 / content.width * GRID)
        grid[_cells(y0 / content.height * GRID, y1 / content.height * GRID), columns] = True
    return float(grid.mean())


def find_figures(content: Content) -> list[Box]:
    """Boxes of drawings that make a picture rather than rules, frames or a table: little text for their area."""
    figures: list[Box] = []
    if sum(drawing.pieces for drawing in content.drawings) < FEWEST_PIECES:
        return figures
    for cluster in clusters(content):
        x0, y0, x1, y1 = cluster.bbox
        area = _area(cluster.bbox)
        if min(x1 - x0, y1 - y0) < SMALLEST_FIGURE_PT or area > 0.9 * content.area or cluster.pieces < FEWEST_PIECES:
            continue
        inside = sum(len(line.text) for line in content.lines + content.aside if _is_inside(line, cluster.bbox))
        densest = 9.0 if cluster.slanted >= 4 else 4.0  # arrows and curves make no table; their boxes hold words
        if inside / area * 1000 < densest:
            figures.append(cluster.bbox)
    return figures


def clusters(content: Content) -> list[Cluster]:
    """Drawings grouped by touching cells of a grid; page-wide backgrounds and single rules do not join groups."""
    drawings = [(drawing, clip(drawing.bbox, content)) for drawing in content.drawings if _joins(drawing, content)]
    if not drawings:
        return []
    cell = max(CELL_PT, max(content.width, content.height) / MOST_CELLS)
    grid = np.zeros((int(content.height / cell) + 2, int(content.width / cell) + 2), bool)
    for _, (x0, y0, x1, y1) in drawings:
        grid[int(y0 / cell) : int(y1 / cell) + 1, int(x0 / cell) : int(x1 / cell) + 1] = True
    labels = _components(grid)
    groups: dict[int, list[tuple[Drawing, Box]]] = {}
    for drawing, box in drawings:
        groups.setdefault(int(labels[int(box[1] / cell), int(box[0] / cell)]), []).append((drawing, box))
    return [_cluster(group) for group in groups.values()]


def clip(box: Box, content: Content) -> Box:
    x0, y0, x1, y1 = box
    left, top = min(max(x0, 0.0), content.width), min(max(y0, 0.0), content.height)
    return (left, top, max(left, min(x1, content.width)), max(top, min(y1, content.height)))


def _cluster(group: Sequence[tuple[Drawing, Box]]) -> Cluster:
    slanted = sum(drawing.slanted for drawing, _ in group)
    return Cluster(union(box for _, box in group), sum(drawing.pieces for drawing, _ in group), slanted)


def _joins(drawing: Drawing, content: Content) -> bool:
    x0, y0, x1, y1 = drawing.bbox
    if x1 < 0 or y1 < 0 or x0 > content.width or y0 > content.height or _area(drawing.bbox) > 0.6 * content.area:
        return False
    return not (min(x1 - x0, y1 - y0) < 3 and max((x1 - x0) / content.width, (y1 - y0) / content.height) > 0.8)


def _components(grid: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Label of each True cell; cells that touch, also at a corner, have the same label. Joins the runs of each row."""
    labels = np.full(grid.shape, -1, np.int64)
    root: list[int] = []
    above: list[tuple[int, int, int]] = []  # start, end and label of the runs of the row before
    edges = np.diff(np.pad(grid, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    for y in np.flatnonzero(grid.any(axis=1)):
        here = []
        for start, end in zip(np.flatnonzero(edges[y] == 1), np.flatnonzero(edges[y] == -1), strict=True):
            label = len(root)
            root.append(label)
            for low, high, other in above:
                if low <= end and start <= high:
                    root[_root(root, other)] = _root(root, label)
            here.append((int(start), int(end), label))
            labels[y, start:end] = label
        above = here if y + 1 < len(grid) and grid[y + 1].any() else []
    return np.array([_root(root, label) for label in range(len(root))], np.int64)[labels] if root else labels


def _root(root: list[int], label: int) -> int:
    while root[label] != label:
        root[label] = root[root[label]]
        label = root[label]
    return label


def _is_bad(char: str) -> bool:
    return char == "\ufffd" or (unicodedata.category(char) in UNMAPPED and char not in HARMLESS)


def _is_inside(line: Line, box: Box) -> bool:
    x, y = (line.bbox[0] + line.bbox[2]) / 2, (line.bbox[1] + line.bbox[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _cells(start: float, end: float) -> slice:
    return slice(round(start), max(round(end), round(start)))
