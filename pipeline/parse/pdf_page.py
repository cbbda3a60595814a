"""What MuPDF says of one PDF page, as plain values in the coordinates of the displayed page.

MuPDF gives text, drawings and pictures in the coordinates before the page's rotation; they are turned here, once.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pipeline.parse.pdf_drawings import Drawing, read_drawings
from pipeline.parse.pdf_library import pymupdf
from pipeline.parse.pdf_turn import direction_of, flow_of, turned, union
from pipeline.types import Box

FLAGS = pymupdf.TEXT_MEDIABOX_CLIP  # ligatures are spelled out; glyphs that map to no character stay U+FFFD


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the text layer. `flow` is its box turned so that the text runs from left to right, top to bottom."""

    text: str
    bbox: Box
    flow: Box
    size: float
    bold: bool = False
    mono: bool = False
    place: Place = (-1, -1)

    @property
    def height(self) -> float:
        return max(self.flow[3] - self.flow[1], 1.0)


Place = tuple[int, int]  # MuPDF's numbers of a block and of a line in it
Words = dict[Place, list[tuple[str, Box]]]  # the words of each line, split at white space, in the order of the file


@dataclass(frozen=True, slots=True)
class Placed:
    """An embedded picture where it stands on the page, not yet decoded. `key` tells two pictures apart."""

    bbox: Box
    width_px: int
    height_px: int
    bits: int
    channels: int  # 0 for a stencil
    size_bytes: int

    @property
    def stencil(self) -> bool:
        return self.channels == 0

    @property
    def mpx(self) -> float:
        """Megapixels that cost as much memory to decode as those of a colour picture; grey ones cost a third."""
        return self.width_px * self.height_px * max(1, self.channels) / 3e6

    @property
    def key(self) -> tuple[int, int, int, int]:
        return (self.width_px, self.height_px, self.bits, self.size_bytes)


@dataclass(frozen=True, slots=True)
class Content:
    """Everything the page's parts, pictures and signals are made of."""

    width: float
    height: float
    direction: int  # of most of its text: 0 to the right, 1 down (vertical or sideways), 2 upside down, 3 up
    lines: tuple[Line, ...] = ()  # those in the page's main direction
    aside: tuple[Line, ...] = ()  # those in another direction, in MuPDF's order
    invisible: float = 0.0
    drawings: tuple[Drawing, ...] = ()
    rules: tuple[Box, ...] = ()  # level and upright strokes, and rectangles, of which ruled tables are made
    placed: tuple[Placed, ...] = ()
    words: Words = field(default_factory=dict, repr=False)
    mirrored: bool = False  # the lines' `flow` is counted from the right: Arabic, Hebrew
    text: str = field(default="", repr=False)  # of all lines

    @property
    def vertical(self) -> bool:
        """Most of the text is set vertically, as in Japanese."""
        return self.direction == 1 and sum(char > "\u2e80" for char in self.text) > 0.3 * len(self.text)

    @property
    def area(self) -> float:
        return max(self.width * self.height, 1.0)


def read_content(page: pymupdf.Page, pictured: bool = False) -> Content:
    """Lines, drawings and placed pictures of a page. Raises what MuPDF raises (RuntimeError, ValueError).

    A page whose resources are known to name pictures (`pictured`) is interpreted once less.
    """
    width, height = float(page.rect.width), float(page.rect.height)
    turn = page.rotation_matrix if page.rotation else None
    placed = _placed(page, turn) if pictured else []
    textpage = page.get_textpage(flags=FLAGS if placed else FLAGS | pymupdf.TEXT_PRESERVE_IMAGES)
    if not placed and textpage.extractIMGINFO():
        placed = _placed(page, turn)
        textpage = page.get_textpage(flags=FLAGS)  # without pictures, which would be decoded
    found, hidden = _lines(page.get_text("dict", textpage=textpage), turn, width, height)
    found = _stacked(found, width, height)
    directions = Counter[int]()
    for direction, line in found:
        directions[direction] += len(line.text)
    main = directions.most_common(1)[0][0] if found else 0
    texts = "\n".join(line.text for _, line in found)
    lines = [line for direction, line in found if direction == main]
    mirrored = _right_to_left(texts)
    drawings, rules = read_drawings(page, turn)
    return Content(
        width,
        height,
        direction=main,
        lines=tuple(_mirrored(lines, width) if mirrored else lines),
        aside=tuple(line for direction, line in found if direction != main),
        invisible=hidden / max(1, _letters(texts)),
        drawings=tuple(drawings),
        rules=tuple(rules),
        placed=tuple(placed),
        words=_words(textpage, turn),
        mirrored=mirrored,
        text=texts,
    )


def _lines(
    data: dict[str, Any], turn: pymupdf.Matrix | None, width: float, height: float
) -> tuple[list[tuple[int, Line]], int]:
    found: list[tuple[int, Line]] = []
    seen: set[tuple[str, int, int]] = set()
    hidden = 0
    for block in data["blocks"]:
        for number, raw in enumerate(block.get("lines", ())):
            spans = raw["spans"]
            text = " ".join("".join([span["text"] for span in spans]).split())
            box = turned(raw["bbox"], turn)
            if not text or (place := (text, round(box[0] / 2), round(box[1] / 2))) in seen:
                continue  # bold type made by printing twice
            seen.add(place)
            weigh: dict[tuple[float, bool, bool], int] = {}
            for span in spans:
                if not span["char_flags"] & 24 or not span["alpha"]:
                    hidden += _letters(span["text"])
                flags = span["flags"]
                kind = (round(span["size"], 1), bool(flags & 16) or _is_bold(span["font"]), bool(flags & 8))
                weigh[kind] = weigh.get(kind, 0) + len(span["text"].strip())
            size, bold, mono = max(weigh, key=weigh.__getitem__)
            direction = direction_of(raw["dir"], turn)
            flow = flow_of(box, direction, width, height)
            found.append((direction, Line(text, box, flow, size, bold, mono, (block["number"], number))))
    return found, hidden


@lru_cache(1000)
def _is_bold(font: str) -> bool:
    return "bold" in font.lower()


def _words(textpage: pymupdf.TextPage, turn: pymupdf.Matrix | None) -> Words:
    words: Words = {}
    for x0, y0, x1, y1, text, block, line, _ in textpage.extractWORDS():
        words.setdefault((block, line), []).append((text, turned((x0, y0, x1, y1), turn)))
    return words


def _stacked(found: list[tuple[int, Line]], width: float, height: float) -> list[tuple[int, Line]]:
    """Single CJK characters that are set below each other, one text object each, joined to vertical lines."""
    result: list[tuple[int, Line]] = []
    run: list[Line] = []
    for direction, line in [*found, (-1, None)]:
        if run and (line is None or not _is_below(run[-1], line)):
            result += [(1, _one_line(run, width, height))] if len(run) >= 3 else [(0, single) for single in run]
            run = []
        if line is not None and direction == 0 and len(line.text) == 1 and "\u2e80" <= line.text <= "\uffef":
            run.append(line)
        elif line is not None:
            result.append((direction, line))
    return result


def _is_below(above: Line, line: Line) -> bool:
    beside = abs(above.bbox[0] + above.bbox[2] - line.bbox[0] - line.bbox[2]) / 2
    return len(line.text) == 1 and beside < 0.5 * above.size and 0 < line.bbox[1] - above.bbox[1] < 2.5 * above.size


def _one_line(run: list[Line], width: float, height: float) -> Line:
    box = union(line.bbox for line in run)
    return Line("".join(line.text for line in run), box, flow_of(box, 1, width, height), run[0].size, run[0].bold)


def _letters(text: str) -> int:
    return len("".join(text.split()))


def _right_to_left(text: str) -> bool:
    kinds = Counter[str]()
    for char, count in Counter(text[:4000]).items():
        kinds[unicodedata.bidirectional(char)] += count
    return kinds["R"] + kinds["AL"] > kinds["L"]


def _mirrored(lines: list[Line], width: float) -> list[Line]:
    return [
        replace(line, flow=(width - line.flow[2], line.flow[1], width - line.flow[0], line.flow[3])) for line in lines
    ]


def _placed(page: pymupdf.Page, turn: pymupdf.Matrix | None) -> list[Placed]:
    return [
        Placed(
            turned(info["bbox"], turn),
            info["width"],
            info["height"],
            info["bpc"],
            info["colorspace"],
            info["size"],
        )
        for info in page.get_image_info()
    ]
