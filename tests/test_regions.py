"""Where on a page a query is answered: boxes of lines and of cells."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.regions import PageMap, map_of_cells, map_of_lines
from pipeline.types import Box, TextLine

NONE = np.zeros(0, np.float32)
HEIGHT, GAP = 10, 2


def column(texts: list[str], left: float = 0, top: float = 0, width: float = 200) -> list[TextLine]:
    """Lines below each other, 12 points apart."""
    places = [top + number * (HEIGHT + GAP) for number in range(len(texts))]
    return [TextLine(text, (left, y, left + width, y + HEIGHT)) for text, y in zip(texts, places, strict=True)]


def by_words(lines: list[TextLine], *words: str) -> PageMap:
    return map_of_lines(lines, words, None, NONE)


def apart(one: Box, other: Box) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def test_a_region_is_a_line_with_its_neighbours() -> None:
    """The box goes around the line that fits best, the one above it, and the two below, where answers often are."""
    lines = column([f"{letter * 90} and so on" for letter in "abcdefgh"])
    lines[4] = TextLine("the sluice gate was repaired in March", lines[4].bbox)
    found = by_words(lines, "sluice", "march", "the", "missing")

    assert found.regions[0].bbox == (0, 36, 200, 82)
    assert len(found.scores) == len(found.boxes) == 8
    assert found.scores.argmax() == 4


def test_similar_vectors_find_what_words_do_not() -> None:
    """Without a word in common the line wins whose vectors are nearest to the question's, by weight."""
    lines = column([letter * 90 for letter in "abcdef"], width=300)
    near = np.full((2, 6), 0.2, np.float32)
    near[0, 1], near[1, 5] = 0.9, 0.9

    for weights, middle in (((3, 1), 1), ((1, 3), 5)):
        (box, *_) = map_of_lines(lines, ["unlike"], near, np.array(weights, np.float32)).regions
        assert box.bbox[1] <= lines[middle].bbox[1] < lines[middle].bbox[3] <= box.bbox[3]
        assert box.bbox[3] - box.bbox[1] <= 4 * (HEIGHT + GAP)


def test_a_region_stays_within_its_column_and_its_paragraph() -> None:
    """Lines of another column, or behind a gap, are no neighbours, whatever their order."""
    left, right = column(["left words"] * 4), column(["right words"] * 4, left=220)
    below = column(["below the gap"] * 2, top=80)
    target = TextLine("sluice", right[0].bbox)
    (first, *_) = by_words([*left, *below, target, *right[1:]], "sluice").regions
    (second, *_) = by_words([*left, TextLine("sluice", below[0].bbox), below[1], *right], "sluice").regions

    assert first.bbox[0] == 220
    assert second.bbox[1] == 80


def test_cells_of_a_row_are_one() -> None:
    """The label of a table's row is shown with its figures."""
    cells = [(40 * place, 0, 40 * place + 30, HEIGHT) for place in range(3)]
    rows = [
        TextLine(t, (x0, y, x1, y + 10)) for y in (0, 40, 80) for t, (x0, _, x1, _) in zip("abc", cells, strict=True)
    ]
    rows[3] = TextLine("revenue", rows[3].bbox)

    assert by_words(rows, "revenue").regions[0].bbox == (0, 40, 110, 50)


def test_text_that_runs_up_the_page_has_neighbours_too() -> None:
    """On a page that was scanned sideways, lines stand beside each other."""
    flat = column(["a" * 90, "b" * 90, "c" * 90, "d" * 90, "e" * 90], width=300)
    tall = [TextLine(line.text, (line.bbox[1], line.bbox[0], line.bbox[3], line.bbox[2])) for line in flat]
    tall[2] = TextLine("sluice", tall[2].bbox)

    assert by_words(tall, "sluice").regions[0].bbox == (12, 0, 58, 300)


def test_a_narrow_column_has_more_lines_to_a_region() -> None:
    """Up to 300 letters."""
    lines = column(["x" * 35] * 15, width=120)
    lines[7] = TextLine("sluice", lines[7].bbox)
    (_, top, _, bottom) = by_words(lines, "sluice").regions[0].bbox

    assert (top, bottom) == (lines[3].bbox[1], lines[11].bbox[3])


@pytest.mark.parametrize("lines", [[], column(["same words"] * 3), column(["one line"])])
def test_where_no_line_is_better_there_is_no_region(lines: list[TextLine]) -> None:
    """No lines, or lines that all fit alike."""
    assert by_words(lines, "words").regions == ()
    assert len(by_words(lines, "words").scores) == len(lines)


def test_regions_are_few_apart_and_best_first() -> None:
    """At most three, none overlaps another."""
    texts = ["sluice gate repair", *["x" * 90] * 5, "sluice gate", *["x" * 90] * 5, "sluice", "y" * 90]
    found = by_words(column(texts), "sluice", "gate", "repair").regions

    assert len(found) == 3
    assert [region.score for region in found] == sorted((region.score for region in found), reverse=True)
    assert all(apart(one.bbox, other.bbox) for one, other in itertools.combinations(found, 2))


def test_cells_hang_together() -> None:
    """A second high place elsewhere is a region of its own."""
    scores = np.zeros((3, 4), np.float32)
    scores[0, 0:2], scores[2, 3] = 1, 0.9
    found = map_of_cells(scores, 400, 300)

    assert [region.bbox for region in found.regions][:2] == [(0, 0, 200, 100), (300, 200, 400, 300)]
    assert (found.boxes.shape, found.boxes[5].tolist()) == ((12, 4), [100, 100, 200, 200])


def test_a_region_of_cells_is_a_part_of_the_page() -> None:
    """A map that falls off slowly gives less than a quarter of the page; a flat or an empty one nothing."""
    slope = np.add.outer(np.arange(16), np.arange(16)).astype(np.float32)
    x0, y0, x1, y1 = map_of_cells(slope, 160, 160).regions[0].bbox

    assert (x1, y1) == (160, 160)
    assert (x1 - x0) * (y1 - y0) <= 160 * 160 / 4
    assert map_of_cells(np.full((2, 2), 0.5, np.float32), 40, 30).regions == ()
    assert map_of_cells(np.full((2, 2), np.nan, np.float32), 40, 30).regions == ()


def test_a_cell_without_a_vector_is_no_part_of_a_region() -> None:
    """NaN neither counts for the mean nor as high."""
    scores = np.array([[np.nan, 0.9, np.nan], [0.1, 0.1, 0.1]], np.float32)

    assert map_of_cells(scores, 30, 20).regions[0].bbox == (10, 0, 20, 10)
