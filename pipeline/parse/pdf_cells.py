"""Lines of a PDF page cut into pieces, where a wide gap or a cell's edge parts their words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from pipeline.parse.pdf_page import Content, Line, Words
from pipeline.parse.pdf_turn import flow_of, union
from pipeline.types import Box

WIDE = 0.9  # gap between the words of two cells, in type sizes


def words_by_line(content: Content) -> Words:
    """The words of the page's lines, from left to right, with boxes in `flow`."""
    if content.direction == 0 and not content.mirrored:
        return content.words
    size = (content.width, content.height)
    return {
        place: [(text, flow_of(box, content.direction, *size, content.mirrored)) for text, box in own]
        for place, own in content.words.items()
    }


def cut(line: Line, words: Words, places: Callable[[Sequence[Box]], list[int]]) -> list[Line]:
    """The line in pieces without space around them, from left to right, cut before the words at these `places`.

    A line whose words MuPDF tells otherwise than the line itself (right to left, printed twice) stays whole.
    """
    own = words.get(line.place)
    if not own:
        return [line]
    cuts = places([box for _, box in own])
    if not cuts and own[0][1][0] - line.flow[0] < 1 > line.flow[2] - own[-1][1][2]:
        return [line]
    if "".join([text for text, _ in own]) != "".join(line.text.split()):
        return [line]
    groups = [own[first:end] for first, end in pairwise([0, *cuts, len(own)])]
    return [
        replace(line, text=" ".join(text for text, _ in group), flow=union(box for _, box in group)) for group in groups
    ]


def cut_at_gaps(line: Line, words: Words) -> list[Line]:
    """The line cut where the space between two words is wider than the type is high."""
    wide = WIDE * max(line.size, 1.0)
    return cut(line, words, lambda boxes: [n for n in range(1, len(boxes)) if boxes[n][0] - boxes[n - 1][2] > wide])


def is_gap(left: Line, right: Line) -> bool:
    """Whether two pieces of one row stand as far apart as cells do."""
    return right.flow[0] - left.flow[2] > WIDE * max(left.size, 1.0)


def joined(pieces: Sequence[Line]) -> Line:
    """Pieces of one row as one, their texts with a space between."""
    return replace(pieces[0], text=" ".join(piece.text for piece in pieces), flow=union(piece.flow for piece in pieces))
