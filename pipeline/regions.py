"""Which parts of a page fit a query best, as boxes in page points: from its text lines or from its cells. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipeline.types import Box, Region, TextLine, TokenVectors, Vectors

MOST = 3  # regions of a page
ABOVE, BELOW = 1, 2  # neighbours of a row in its block: an answer more often follows what is like the question
BLOCK_CHARS = 300  # a block of short rows has more of them, up to so many letters: a sentence or two
CENTRE = 0.5  # weight of a block's own row beside the block: of blocks that hold the same, the one around it
WORDS = 0.05  # weight of words of the query that stand there, beside cosines
NEAR = 0.8  # lines further apart than this share of their height do not belong together
LARGEST = 0.25  # share of the page that a region of cells may take

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PageMap:
    """How well each part of a page fits a query: `boxes` (n, 4) in page points, `scores` (n,), NaN for no score.

    `regions` are the best, best first, apart from each other; () where no part is better than another.
    """

    boxes: Floats
    scores: Floats
    regions: tuple[Region, ...]


def line_similarities(
    page_vectors: TokenVectors, owners: Sequence[Sequence[int]], lines: int, query: Vectors
) -> Floats:
    """(q, lines): the best dot product of each query vector with the vectors that stand for each line, 0 without any.

    `owners[i]` are the lines of `page_vectors[i]`, as `PageModel.line_owners` tells them.

    >>> line_similarities(np.eye(2, dtype=np.float16), [(0,), (0, 1)], 3, np.array([[0.6, 0.8]], np.float32)).round(1)
    array([[0.8, 0.8, 0. ]], dtype=float32)
    """
    products = np.asarray(query, np.float32) @ np.asarray(page_vectors, np.float32).T
    found = np.full((len(query), lines), -np.inf, np.float32)
    for vector, stands_on in enumerate(owners):
        for line in stands_on:
            np.maximum(found[:, line], products[:, vector], out=found[:, line])
    return np.where(np.isfinite(found), found, np.float32(0))


def map_of_lines(
    lines: Sequence[TextLine], words: Sequence[str], similarities: Floats | None, weights: Floats
) -> PageMap:
    """The map of a page that was read: each row of text scores, and a region is a row with its neighbours.

    The score is MaxSim within a block of rows (`similarities` (q, lines) weighed by `weights` (q,)) and half of that of
    its own row alone, with a little for the query's `words` (by their rarity on the page) that stand there.

    >>> page = [TextLine("the mill", (0, 0, 40, 10)), TextLine("a sluice gate", (0, 50, 60, 60))]
    >>> map_of_lines(page, ["gate"], None, np.zeros(0, np.float32)).regions[0].bbox
    (0, 50, 60, 60)
    """
    rows = list(_rows([line.bbox for line in lines]))
    parts = [_word_shares([" ".join(lines[i].text for i in row) for row in rows], words) * WORDS]
    if similarities is not None and weights.sum() > 0:
        best = [similarities[:, list(row)].max(axis=1) for row in rows]
        parts.append(np.stack(best, axis=1) * (weights / weights.sum())[:, None])
    evidence = np.concatenate(parts)  # (words + q, rows)
    boxes = [_around([lines[i].bbox for i in row]) for row in rows]
    alone = evidence.sum(axis=0)
    if not len(rows) or float(np.ptp(alone)) == 0:
        return PageMap(np.array(boxes, np.float32).reshape(-1, 4), alone, ())
    scored = []
    for row, (first, end) in enumerate(_blocks(boxes, [sum(len(lines[i].text) for i in row) for row in rows])):
        block = float(evidence[:, first:end].max(axis=1).sum())
        scored.append(((block + CENTRE * float(alone[row])) / (1 + CENTRE), first, end))
    return PageMap(np.array(boxes, np.float32), alone, _apart(scored, boxes))


def map_of_cells(scores: Floats, width_pt: float, height_pt: float) -> PageMap:
    """The map of a page that was looked at, from a `similarity_map` (rows, columns).

    A region is the best cell and all that hang together with it, side by side or one above the other, and score more
    than half way from the map's mean to its maximum; less of them if that were more than a quarter of the page.

    >>> found = map_of_cells(np.array([[0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.9, 0.8]], np.float32), 400, 200)
    >>> found.regions[0].bbox
    (200.0, 100.0, 400.0, 200.0)
    """
    rows, columns = scores.shape
    across, down = np.arange(columns + 1) * (width_pt / columns), np.arange(rows + 1) * (height_pt / rows)
    x0, y0 = np.meshgrid(across[:-1], down[:-1])
    x1, y1 = np.meshgrid(across[1:], down[1:])
    boxes = np.stack([x0, y0, x1, y1], axis=-1).reshape(-1, 4).astype(np.float32)
    regions: list[Region] = []
    known = np.isfinite(scores)
    mean = float(scores[known].mean()) if known.any() else math.inf
    left = np.where(known, scores, -np.inf)
    while len(regions) < MOST and float(left.max()) > mean + 1e-6:
        top, bottom, first, last = _together(left, mean)
        box = (float(across[first]), float(down[top]), float(across[last]), float(down[bottom]))
        regions.append(Region(box, float(left.max())))
        left[top:bottom, first:last] = -np.inf
    return PageMap(boxes, scores.reshape(-1), tuple(regions))


def query_words(text: str) -> list[str]:
    """The words of a text in small letters, each once.

    >>> query_words("Who is who?")
    ['who', 'is']
    """
    return list(dict.fromkeys(re.findall(r"\w+", text.lower())))


def _rows(boxes: Sequence[Box]) -> Iterator[range]:
    """Lines that follow each other on the same height are one row: the cells of a table, a line that was cut in two."""
    flat = _upright(boxes)
    first = 0
    for here in range(1, len(flat) + 1):
        if here == len(flat) or not _same_row(flat[here - 1], flat[here]):
            yield range(first, here)
            first = here


def _word_shares(rows: Sequence[str], words: Sequence[str]) -> Floats:
    """(words, rows): for each word its share of the rarity of all words that the page has, where it stands."""
    there = [set(query_words(row)) for row in rows]
    counts = Counter(word for row in there for word in row)
    known = [word for word in words if counts[word]]
    rarity = np.array([math.log(1 + (len(rows) - counts[w] + 0.5) / (counts[w] + 0.5)) for w in known], np.float32)
    stands = np.array([[word in row for row in there] for word in known], np.float32).reshape(len(known), len(rows))
    return np.asarray(stands * (rarity / max(float(rarity.sum()), 1e-9))[:, None], np.float32)


def _blocks(boxes: Sequence[Box], chars: Sequence[int]) -> Iterator[tuple[int, int]]:
    """For each row the block around it: a neighbour above, two below, and more while it holds at most 300 letters."""
    flat = _upright(boxes)
    near = [_adjoins(one, other) for one, other in pairwise(flat)]
    for row in range(len(flat)):
        first, end, before = row, row + 1, -1
        while end - first != before:
            before, size = end - first, sum(chars[first:end])
            if end < len(flat) and near[end - 1] and (end - row <= BELOW or size + chars[end] <= BLOCK_CHARS):
                size, end = size + chars[end], end + 1
            if first > 0 and near[first - 1] and (row - first < ABOVE or size + chars[first - 1] <= BLOCK_CHARS):
                first -= 1
        yield first, end


def _apart(scored: Sequence[tuple[float, int, int]], boxes: Sequence[Box]) -> tuple[Region, ...]:
    """The best blocks that share no row."""
    taken: list[tuple[float, int, int]] = []
    for score, first, end in sorted(scored, key=lambda block: (-block[0], block[1])):
        if len(taken) < MOST and all(end <= other[1] or first >= other[2] for other in taken):
            taken.append((score, first, end))
    return tuple(Region(_around(boxes[first:end]), round(score, 6)) for score, first, end in taken)


def _together(scores: Floats, mean: float) -> tuple[int, int, int, int]:
    """Top, bottom, left and right (the ends not included) of the cells around the best one that score high with it."""
    best = float(scores.max())
    for share in (0.5, 0.7, 0.9):
        found = _hanging(scores >= mean + share * (best - mean), int(scores.argmax()))
        if (found[1] - found[0]) * (found[3] - found[2]) <= LARGEST * scores.size:
            return found
    return _hanging(np.zeros(scores.shape, bool), int(scores.argmax()))


def _hanging(high: npt.NDArray[np.bool_], start: int) -> tuple[int, int, int, int]:
    rows, columns = high.shape
    region = {divmod(start, columns)}
    edge = list(region)
    while edge:
        row, column = edge.pop()
        for cell in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if cell not in region and 0 <= cell[0] < rows and 0 <= cell[1] < columns and high[cell]:
                region.add(cell)
                edge.append(cell)
    down, across = [row for row, _ in region], [column for _, column in region]
    return min(down), max(down) + 1, min(across), max(across) + 1


def _upright(boxes: Sequence[Box]) -> list[Box]:
    """The boxes as they are, or with x and y exchanged where most of the text runs up or down the page."""
    tall = sum(y1 - y0 for x0, y0, x1, y1 in boxes if y1 - y0 > 1.5 * (x1 - x0))
    wide = sum(x1 - x0 for x0, y0, x1, y1 in boxes if y1 - y0 <= 1.5 * (x1 - x0))
    return [(y0, x0, y1, x1) for x0, y0, x1, y1 in boxes] if tall > wide else list(boxes)


def _same_row(one: Box, other: Box) -> bool:
    """True if they are side by side on the same height."""
    shared = min(one[3], other[3]) - max(one[1], other[1])
    low = min(one[3] - one[1], other[3] - other[1])
    return shared > 0.5 * low and min(one[2], other[2]) <= max(one[0], other[0]) + 0.3 * low


def _adjoins(one: Box, other: Box) -> bool:
    """True if one is right above the other."""
    apart = max(one[1], other[1]) - min(one[3], other[3])
    low = min(one[3] - one[1], other[3] - other[1])
    return apart < NEAR * low and min(one[2], other[2]) > max(one[0], other[0])


def _around(boxes: Sequence[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
