"""What MuPDF says of one PDF page, as plain values in the coordinates of the displayed page.

MuPDF gives text, drawings and pictures in the coordinates before the page's rotation; they are turned here, once.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pymupdf

from pipeline.types import Box

FLAGS = pymupdf.TEXT_MEDIABOX_CLIP  # ligatures are spelled out; glyphs that map to no character stay U+FFFD
MOST_DRAWINGS = 20_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the text layer. `flow` is its box turned so that the text runs from left to right, top to bottom."""

    text: str
    bbox: Box
    flow: Box
    size: float
    bold: bool = False
    mono: bool = False

    @property
    def height(self) -> float:
        return max(self.flow[3] - self.flow[1], 1.0)


@dataclass(frozen=True, slots=True)
class Drawing:
    """One vector path: its box, how many pieces it has, and whether a curve or slanted line is among them."""

    bbox: Box
    pieces: int
    slanted: bool


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
    placed: tuple[Placed, ...] = ()
    text: str = field(default="", repr=False)  # of all lines

    @property
    def vertical(self) -> bool:
        """Most of the text is set vertically, as in Japanese."""
        return self.direction == 1 and sum(char > "\u2e80" for char in self.text) > 0.3 * len(self.text)

    @property
    def area(self) -> float:
        return max(self.width * self.height, 1.0)


def read_content(page: pymupdf.Page) -> Content:
    """Lines, drawings and placed pictures of a page. Raises what MuPDF raises (RuntimeError, ValueError)."""
    width, height = float(page.rect.width), float(page.rect.height)
    turn = page.rotation_matrix if page.rotation else None
    found, hidden = _lines(page.get_text("dict", flags=FLAGS), turn, width, height)
    found = _stacked(found, width, height)
    directions = Counter[int]()
    for direction, line in found:
        directions[direction] += len(line.text)
    main = directions.most_common(1)[0][0] if found else 0
    texts = "\n".join(line.text for _, line in found)
    lines = [line for direction, line in found if direction == main]
    return Content(
        width,
        height,
        direction=main,
        lines=tuple(_mirrored(lines, width) if _right_to_left(texts) else lines),
        aside=tuple(line for direction, line in found if direction != main),
        invisible=hidden / max(1, sum(not char.isspace() for char in texts)),
        drawings=tuple(_drawings(page, turn)),
        placed=tuple(_placed(page, turn)),
        text=texts,
    )


def turned(box: Any, turn: pymupdf.Matrix | None) -> Box:
    """A box of MuPDF's in displayed coordinates."""
    if turn is not None:
        box = pymupdf.Rect(box) * turn
    x0, y0, x1, y1 = (float(value) for value in box)
    return (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def _lines(
    data: dict[str, Any], turn: pymupdf.Matrix | None, width: float, height: float
) -> tuple[list[tuple[int, Line]], int]:
    found: list[tuple[int, Line]] = []
    seen: set[tuple[str, int, int]] = set()
    hidden = 0
    for block in data["blocks"]:
        for raw in block.get("lines", ()):
            spans = raw["spans"]
            text = " ".join("".join(span["text"] for span in spans).split())
            box = turned(raw["bbox"], turn)
            if not text or (place := (text, round(box[0] / 2), round(box[1] / 2))) in seen:
                continue  # bold type made by printing twice
            seen.add(place)
            hidden += sum(_letters(span["text"]) for span in spans if not span["char_flags"] & 24 or not span["alpha"])
            direction = _direction(raw["dir"], turn)
            weigh = Counter[tuple[float, bool, bool]]()
            for span in spans:
                bold = bool(span["flags"] & 16) or "bold" in span["font"].lower()
                weigh[round(span["size"], 1), bold, bool(span["flags"] & 8)] += len(span["text"].strip())
            (size, bold, mono), _ = weigh.most_common(1)[0]
            found.append((direction, Line(text, box, _flow(box, direction, width, height), size, bold, mono)))
    return found, hidden


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
    x0, y0, x1, y1 = zip(*(line.bbox for line in run), strict=True)
    box = (min(x0), min(y0), max(x1), max(y1))
    return Line("".join(line.text for line in run), box, _flow(box, 1, width, height), run[0].size, run[0].bold)


def _letters(text: str) -> int:
    return sum(not char.isspace() for char in text)


def _direction(direction: tuple[float, float], turn: pymupdf.Matrix | None) -> int:
    """0 to the right, 1 down, 2 to the left, 3 up; a slanted line counts as the nearest of them."""
    x, y = direction
    if turn is not None:
        x, y = x * turn.a + y * turn.c, x * turn.b + y * turn.d
    if abs(x) >= abs(y):
        return 0 if x >= 0 else 2
    return 1 if y > 0 else 3


def _flow(box: Box, direction: int, width: float, height: float) -> Box:
    x0, y0, x1, y1 = box
    match direction:
        case 1:  # next line to the left: vertical Japanese too
            return (y0, width - x1, y1, width - x0)
        case 2:
            return (width - x1, height - y1, width - x0, height - y0)
        case 3:
            return (height - y1, x0, height - y0, x1)
    return box


def _right_to_left(text: str) -> bool:
    kinds = Counter(unicodedata.bidirectional(char) for char in text[:4000])
    return kinds["R"] + kinds["AL"] > kinds["L"]


def _mirrored(lines: list[Line], width: float) -> list[Line]:
    def mirror(line: Line) -> Line:
        x0, y0, x1, y1 = line.flow
        return Line(line.text, line.bbox, (width - x1, y0, width - x0, y1), line.size, line.bold, line.mono)

    return [mirror(line) for line in lines]


def _drawings(page: pymupdf.Page, turn: pymupdf.Matrix | None) -> list[Drawing]:
    found = []
    for path in page.get_cdrawings()[:MOST_DRAWINGS]:
        items = path.get("items", ())
        slanted = any(
            item[0] in ("c", "qu") or (item[0] == "l" and _is_slanted(item[1], item[2])) for item in items[:50]
        )
        found.append(Drawing(turned(path["rect"], turn), len(items), slanted))
    return found


def _is_slanted(start: Any, end: Any) -> bool:
    return bool(abs(start[0] - end[0]) > 2 and abs(start[1] - end[1]) > 2)


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
