"""Rows of a page to parts: paragraphs, headings, lists, captions and code, with line-end hyphens joined. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Literal

from pipeline.parse.pdf_order import Row
from pipeline.parse.pdf_page import Line
from pipeline.parse.pdf_turn import union
from pipeline.types import Box, Part

Kind = Literal["text", "heading", "list", "caption", "code"]

BULLET = re.compile(r"^(?:[•◦▪▫●○■□►▸‣⁃∙·✓✔❖\uf0b7\uf0a7–—*-]\s|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]\s)")
NUMBERED = re.compile(
    r"^(?:(?:\d{1,2}|[A-Z]|[IVX]{1,5})(?:\.\d{1,2}){0,4}\.?|§\s?\d+|(?:Chapter|Section|Part|Appendix)\s+\w+[.:]?)\s+\S"
)
CAPTION = re.compile(
    r"^(?:fig(?:ure|\.)|table|tab\.|abb(?:ildung|\.)|tabelle|chart|scheme|図|表|그림|표)\s*[\dIVXA-Z]", re.IGNORECASE
)
CLOSED = re.compile(r"[.!?:;。！？]['\"”’)\]]*$")
HYPHEN = re.compile(r"[^\W\d_][-\u2010\u00ad]$")
CJK = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
RECENT_ROWS = 30  # of a paragraph, that tell how far its lines reach
BIGGER = 1.14  # heading size over body size


def paragraphs(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows in reading order, grouped: a paragraph ends at a gap, a change of type, an indent or a list item."""
    gap = _usual_gap(rows)
    groups: list[list[Row]] = []
    for row in rows:
        if groups and _continues(groups[-1], row, gap):
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups


def to_part(group: Sequence[Row], body: float, body_bold: bool) -> Part:
    """The part that a paragraph's rows make. `body` is the usual type size of the document."""
    lines = [line for row in group for line in row]
    text = _join([" ".join(line.text for line in row) for row in group])
    kind = _kind(text, group, lines, body, body_bold)
    if kind == "code":
        text = "\n".join(" ".join(line.text for line in row) for row in group)
    level = _level(text, lines[0].size / body) if kind == "heading" else 0
    return Part(kind, text, union(line.bbox for line in lines), level, tuple((line.text, line.bbox) for line in lines))


def body_type(sizes: Counter[tuple[float, bool]]) -> tuple[float, bool]:
    """Size and weight of running text: the largest in which a fifth of the characters is set; (10, False) for none."""
    usual = [kind for kind, count in sizes.items() if count >= 0.2 * sizes.total()]
    return max(usual, default=(10.0, False)) if usual or not sizes else sizes.most_common(1)[0][0]


def _usual_gap(rows: Sequence[Row]) -> float:
    """Median space between a row and the next one below, in line heights."""
    gaps = []
    for above, below in pairwise(rows):
        space = (below[0].flow[1] - above[0].flow[3]) / above[0].height
        if -0.5 < space < 1.6 and _overlap(union(line.flow for line in above), union(line.flow for line in below)):
            gaps.append(space)
    return median(gaps) if gaps else 0.2


def _continues(group: Sequence[Row], row: Row, gap: float) -> bool:
    above, first = group[-1], row[0]
    last, here = union(line.flow for line in above), union(line.flow for line in row)
    height = min(above[0].height, first.height)
    space = (here[1] - last[3]) / height
    sizes = sorted((above[0].size, first.size))
    if not -0.7 < space < max(0.5, gap + 0.35) or here[1] + here[3] <= last[1] + last[3] or not _overlap(last, here):
        return False
    if sizes[1] > 1.12 * max(sizes[0], 0.1) or all(line.bold for line in above) != all(line.bold for line in row):
        return False
    if BULLET.match(first.text) or (CAPTION.match(first.text) and space > gap + 0.15):
        return False
    return not _starts_anew(group, last, here, height)


def _starts_anew(group: Sequence[Row], last: Box, here: Box, height: float) -> bool:
    closed = bool(CLOSED.search(group[-1][-1].text))
    indented = here[0] - last[0] > 0.8 * height
    if indented and (closed or len(group) > 1):
        return not (len(group) > 1 and abs(here[0] - group[-1][0].flow[0]) <= 0.8 * height)
    right = max(row[-1].flow[2] for row in group[-RECENT_ROWS:])
    return closed and len(group) > 1 and last[2] < right - 0.2 * (right - last[0]) and here[0] >= last[0] - height


def _overlap(first: Box, second: Box) -> bool:
    return min(first[2], second[2]) > max(first[0], second[0])


def _kind(text: str, group: Sequence[Row], lines: Sequence[Line], body: float, body_bold: bool) -> Kind:
    if CAPTION.match(text):
        return "caption"
    if all(line.mono for line in lines) and len(group) > 1:
        return "code"
    bold = all(line.bold for line in lines) and not body_bold
    if len(group) <= 3 and 2 <= len(text) <= 200 and any(char.isalpha() for char in text):
        bigger = median(line.size for line in lines) >= BIGGER * body
        ends_open = not CLOSED.search(text) or text.endswith((":", "?"))
        if (bigger and (ends_open or len(text) < 60)) or (bold and ends_open and len(text) <= 120):
            return "heading"
        if NUMBERED.match(text) and bold:
            return "heading"
    return "list" if BULLET.match(text) else "text"


def _level(text: str, ratio: float) -> int:
    if match := re.match(r"\d{1,2}((?:\.\d{1,2}){0,4})\.?\s", text):
        return min(6, 2 + match.group(1).count("."))
    return 1 if ratio >= 1.7 else 2 if ratio >= 1.35 else 3 if ratio >= BIGGER else 4


def _join(rows: Sequence[str]) -> str:
    pieces: list[str] = []
    for row in rows:
        if not pieces:
            pieces = [row]
        elif HYPHEN.search(pieces[-1][-2:]) and row[:1].islower():
            pieces[-1] = pieces[-1][:-1]
            pieces.append(row)
        elif CJK.match(pieces[-1][-1]) and CJK.match(row[0]):
            pieces.append(row)
        else:
            pieces.append(" " + row)
    return "".join(pieces).replace("\u00ad", "")
