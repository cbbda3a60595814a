"""Lines of a PDF page cut into pieces, where a wide gap or a cell's edge parts their words. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from pipeline.parse.pdf_page import Content, Line
from pipeline.parse.pdf_turn import flow_of, union
from pipeline.types import Box

WIDE = 0.9  # gap between the words of two cells, in type sizes

Words = dict[tuple[int, int], list[tuple[str, Box]]]  # place of a line -> its words with their boxes in `flow`


def words_by_line(content: Content) -> Words:
    """The words of the page's lines, from left to right."""
    words: Words = defaultdict(list)
    for word in content.words:
        box = flow_of(word.bbox, content.direction, content.width, content.height, content.mirrored)
        words[word.place].append((word.text, box))
    return words


def cut(line: Line, words: Words, parted: Callable[[Box, Box], bool]) -> list[Line]:
    """The line in pieces without space around them, from left to right, cut between neighbours that are `parted`.

    A line whose words MuPDF tells otherwise than the line itself (right to left, printed twice) stays whole.
    """
    own = words.get(line.place, [])
    if not own or "".join(text for text, _ in own) != "".join(line.text.split()):
        return [line]
    groups = [[own[0]]]
    for left, right in pairwise(own):
        if parted(left[1], right[1]):
            groups.append([right])
        else:
            groups[-1].append(right)
    if len(groups) == 1 and own[0][1][0] - line.flow[0] < 1 > line.flow[2] - own[-1][1][2]:
        return [line]
    return [
        replace(line, text=" ".join(text for text, _ in group), flow=union(box for _, box in group)) for group in groups
    ]


def cut_at_gaps(line: Line, words: Words) -> list[Line]:
    """The line cut where the space between two words is wider than the type is high."""
    wide = WIDE * max(line.size, 1.0)
    return cut(line, words, lambda left, right: right[0] - left[2] > wide)


def is_gap(left: Line, right: Line) -> bool:
    """Whether two pieces of one row stand as far apart as cells do."""
    return right.flow[0] - left.flow[2] > WIDE * max(left.size, 1.0)


def joined(pieces: Sequence[Line]) -> Line:
    """Pieces of one row as one, their texts with a space between."""
    return replace(pieces[0], text=" ".join(piece.text for piece in pieces), flow=union(piece.flow for piece in pieces))
