"""Small line charts as SVG, both axes logarithmic. Knows nothing of what is drawn.

Colours lie half-way between black and white, so that a chart without a background is readable on both: every ink has a
contrast of at least 4 to white and to a dark page. Lines are told apart by colour and mark, and named at their ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 560, 320
LEFT, RIGHT, TOP, BOTTOM = 74, 150, 40, 46  # room around the plot, for labels
FONT = "system-ui, 'DejaVu Sans', Helvetica, Arial, sans-serif"
INK = "#797979"
COLOURS = ("#2f81c7", "#c2620f", "#2f8f5b", "#a3599c")
LINE_PX = 15  # between two names at the ends of lines
CHARACTER_PX = 6.6  # of a digit
NAMES_APART_PX = 8
EDGE = 1.25  # the axis goes on for so much beyond the outermost points

Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through points (x, y), both above 0, by rising x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """`unit` turns a value of the y axis into words; with `guide` a dashed line shows growth in proportion."""

    title: str
    x_label: str
    lines: Sequence[Line]
    unit: Callable[[float], str]
    guide: bool = True


def draw(chart: Chart) -> str:
    """The chart as an SVG document. ValueError for a chart without points or with one that is not above 0."""
    points = [point for line in chart.lines for point in line.points]
    if not points or min(map(min, points)) <= 0:
        raise ValueError(f"{chart.title}: a logarithmic axis needs points, all above 0")
    xs, ys = zip(*points, strict=True)
    across = _scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    low, high = _room(min(ys), max(ys))
    up = _scale(low, high, HEIGHT - BOTTOM, TOP)
    body = [*_frame(chart, across, up, xs, (low, high))]
    if chart.guide:
        body += _guide(chart.lines[0], across, up, low)
    for line, colour, mark in zip(chart.lines, COLOURS, MARKS, strict=False):
        body += _line(line, colour, mark, across, up)
    body += _names(chart.lines, up)
    label = f'role="img" aria-label="{escape(chart.title, {chr(34): "&quot;"})}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {label}'
    style = f'width="{WIDTH}" height="{HEIGHT}" font-family="{FONT}" font-size="12" fill="{INK}">'
    return "\n".join([f"{head} {style}", *body, "</svg>", ""])


def _room(low: float, high: float) -> tuple[float, float]:
    """A little more than the points take, and at least one power of ten."""
    low, high = low / EDGE, high * EDGE
    while high < 10 * low:
        low, high = low / EDGE, high * EDGE
    return low, high


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    span = math.log(high / low) or 1.0
    return lambda value: start + (end - start) * math.log(value / low) / span


def ticks(low: float, high: float) -> list[float]:
    """Powers of ten within, with 2 and 5 between them where those are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    few = [10.0**power for power in powers if low <= 10.0**power <= high]
    many = [step * 10.0**power for power in powers for step in (1, 2, 5) if low <= step * 10.0**power <= high]
    return few if len(few) > 2 else many


def _frame(chart: Chart, across: Scale, up: Scale, xs: Sequence[float], room: tuple[float, float]) -> Iterator[str]:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    yield f'<text x="{LEFT}" y="20" font-size="13" font-weight="600">{escape(chart.title)}</text>'
    for value in ticks(*room):
        y = up(value)
        yield f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{INK}" stroke-opacity="0.25"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(chart.unit(value))}</text>'
    named = _with_room(xs, across)
    for value in sorted(set(xs)):
        x = across(value)
        yield f'<path d="M{x:.1f} {floor}v4" stroke="{INK}"/>'
        if value in named:
            yield f'<text x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{value:,.0f}</text>'
    yield f'<path d="M{LEFT} {floor}H{right}" stroke="{INK}"/>'
    yield f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(chart.x_label)}</text>'


def _with_room(xs: Sequence[float], across: Scale) -> set[float]:
    """Values whose names have room on the axis, powers of ten before others."""
    named: list[float] = []
    for value in sorted(set(xs), key=lambda x: (not math.log10(x).is_integer(), x)):
        needed = (CHARACTER_PX * (len(f"{value:,.0f}") + len(f"{other:,.0f}")) / 2 + NAMES_APART_PX for other in named)
        if all(abs(across(value) - across(other)) >= px for other, px in zip(named, needed, strict=True)):
            named.append(value)
    return set(named)


def _guide(line: Line, across: Scale, up: Scale, low: float) -> Iterator[str]:
    """From the last point of a line back to where growth in proportion would have begun, within the frame."""
    x, y = line.points[-1]
    first = max(line.points[0][0], x * low / y)
    path = f"M{across(first):.1f} {up(y * first / x):.1f}L{across(x):.1f} {up(y):.1f}"
    yield f'<path d="{path}" fill="none" stroke="{INK}" stroke-dasharray="2 4"/>'


def _line(line: Line, colour: str, mark: str, across: Scale, up: Scale) -> Iterator[str]:
    places = [(across(x), up(y)) for x, y in line.points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>'
    for x, y in places:
        yield f'<path transform="translate({x:.1f} {y:.1f})" d="{mark}" fill="{colour}"/>'


MARKS = (  # a disc, a square, a triangle, a diamond
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.5-3.5h7v7h-7z",
    "M0-5L4.5 3.5h-9z",
    "M0-5L5 0L0 5L-5 0z",
)


def _names(lines: Sequence[Line], up: Scale) -> Iterator[str]:
    """At the height of the last points, moved apart where they would touch."""
    right = WIDTH - RIGHT + 10
    heights = apart([up(line.points[-1][1]) for line in lines], LINE_PX, TOP, HEIGHT - BOTTOM)
    for line, colour, y in zip(lines, COLOURS, heights, strict=False):
        yield f'<text x="{right}" y="{y + 4:.1f}" fill="{colour}">{escape(line.name)}</text>'


def apart(heights: Sequence[float], gap: float, top: float, floor: float) -> list[float]:
    """The same heights, none closer to another than `gap`, all between `top` and `floor` if they have room there.

    >>> apart([50, 52, 100], 10, 0, 200)
    [46.0, 56.0, 100]
    """
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    found = list(heights)
    for _ in range(100):
        crowded = [(a, b) for a, b in pairwise(order) if found[b] - found[a] < gap - 1e-6]
        if not crowded:
            break
        for a, b in crowded:
            middle = (found[a] + found[b]) / 2
            found[a], found[b] = middle - gap / 2, middle + gap / 2
    down = max(0.0, top - min(found)) - max(0.0, max(found) - floor)
    return [height + down for height in found] if down else found
