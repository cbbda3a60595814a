"""Text to smaller and smaller slices: lines, sentences, table cells, words, characters.

Every function gives (start, end) slices in order. Together they hold every character that is no white space.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from pipeline.chunk.sentences import sentences, trim

Span = tuple[int, int]
Cut = Callable[[str], list[Span]]

LINE = re.compile(r"[^\r\n\v\f\x85\u2028\u2029]+")
CELL = re.compile(r"\|?(?:[^|\\]|\\.?)++|\|", re.DOTALL)
RULE = frozenset("|:-+ \t")  # characters of the line below a Markdown table's first row
REACH = 16  # characters a cut moves so that it does not part a letter from its marks


def lines(text: str) -> list[Span]:
    return _trimmed(text, [match.span() for match in LINE.finditer(text)])


def cells(text: str) -> list[Span]:
    """A table row's cells, each with the bar before it."""
    return _trimmed(text, [match.span() for match in CELL.finditer(text)])


def windows(text: str, size: int) -> list[Span]:
    """Slices of at most `size` characters that end at white space if there is any in their second half."""
    found, start = [], 0
    while len(text) - start > size:
        space = _last_space(text, start + size // 2, start + size + 1)
        end = space if space is not None else between_letters(text, start + size, start + 1)
        found.append((start, end))
        start = end
    return _trimmed(text, [*found, (start, len(text))])


def halves(text: str) -> list[Span]:
    """Two slices, parted at the white space nearest to the middle, or in the middle of a single word."""
    middle = len(text) // 2
    before = _last_space(text, 1, middle + 1)
    after = next((at for at in range(middle + 1, len(text) - 1) if text[at].isspace()), None)
    near = [at for at in (before, after) if at is not None]
    at = min(near, key=lambda place: abs(place - middle)) if near else between_letters(text, middle, 1)
    return _trimmed(text, [(0, at), (at, len(text))])


def header_of(table: str) -> str:
    """The lines to repeat over each piece of a Markdown table: its first row and the rule below it, or nothing.

    >>> header_of("| a | b |\\n|---|---|\\n| 1 | 2 |")
    '| a | b |\\n|---|---|'
    """
    rows = lines(table)
    if len(rows) < 3 or not {"-"} <= set(table[slice(*rows[1])]) <= RULE:
        return ""
    return table[rows[0][0] : rows[1][1]]


def between_letters(text: str, at: int, lowest: int) -> int:
    """`at`, or a little before it where no mark, joiner or variation selector follows."""
    for place in range(at, max(lowest, at - REACH) - 1, -1):
        joined = text[place - 1] == "\u200d" or text[place] == "\u200d"
        if not joined and not unicodedata.category(text[place]).startswith("M"):
            return place
    return at


def _last_space(text: str, start: int, end: int) -> int | None:
    return next((at for at in range(min(end, len(text)) - 1, start - 1, -1) if text[at].isspace()), None)


def _trimmed(text: str, spans: list[Span]) -> list[Span]:
    return [span for span in (trim(text, *span) for span in spans) if span[0] < span[1]]


LADDERS: dict[str, tuple[Cut, ...]] = {  # how each kind of block comes apart, before `windows` and `halves`
    "prose": (sentences,),
    "list": (lines, sentences),
    "code": (lines,),
    "table": (lines, cells),
}
