"""Rows of cells to a Markdown table, in slices that each repeat the header row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.types import Part

SLICE_ROWS = 200
SLICE_CHARS = 60_000
MOST_PADDED_CELLS = 100


def table_parts(rows: Iterable[Sequence[str]], slice_rows: int = SLICE_ROWS) -> Iterator[Part]:
    """Parts of kind "table". The first row is the header; a row is never torn, and rows are read one by one.

    A part has at least as much in its rows as in its header, so that a wide header is not most of the text.
    """
    lines: list[str] = []
    head: list[str] = []
    size, least = 0, 0
    for row in rows:
        cells = [_cell(cell) for cell in row]
        if not any(cells):
            continue
        line = f"| {' | '.join(cells)} |"
        if not head:
            head = [line, f"|{' --- |' * len(cells)}"]
            least = sum(map(len, head))
            continue
        if size >= least and (len(lines) >= slice_rows or size + len(line) > SLICE_CHARS):
            yield Part("table", "\n".join(head + lines))
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines or head:
        yield Part("table", "\n".join(head + lines))


def padded(cells: list[str], width: int) -> list[str]:
    """A row filled up to the width of its header, unless that is so wide that few words would make a huge table."""
    return cells + [""] * (width - len(cells)) if width <= MOST_PADDED_CELLS else cells


def table_text(rows: Iterable[Sequence[str]]) -> str:
    """One whole table as Markdown; empty when it has no text."""
    return "\n".join(part.text for part in table_parts(rows, slice_rows=10**9))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
