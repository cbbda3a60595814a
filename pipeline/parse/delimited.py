"""CSV and TSV: Markdown table slices that repeat the header row; rows are read one by one."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from pipeline.errors import Unreadable, to_failure
from pipeline.parse import ParseOptions
from pipeline.parse.markdown_table import padded, table_parts
from pipeline.parse.slices import slices
from pipeline.parse.text import TextReader
from pipeline.types import Blob, Event, Info

DELIMITERS = ",;\t|"
SAMPLE_LINES = 50
LONGEST_CELL = 1 << 20  # characters


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:  # noqa: ARG001
    """`Info`, then pages without number; a `Failure` last if `limits.text_mb` cut it. Raises `Unreadable`."""
    reader = TextReader(blob, options.limits.text_mb)
    lines = reader.lines()
    sample = list(islice(lines, SAMPLE_LINES))
    tabs = blob.media_type == "text/tab-separated-values"
    csv.field_size_limit(LONGEST_CELL)
    delimiter = _delimiter(sample, "\t" if tabs else ",")
    yield Info(metadata={"delimiter": {"\t": "tab"}.get(delimiter, delimiter)})
    rows = csv.reader(chain(sample, lines), delimiter=delimiter)
    try:
        yield from slices(table_parts(_with_header(rows)))
    except csv.Error as error:
        raise Unreadable(f"{blob.name}: is no sound table (line {rows.line_num}: {error})") from error
    if reader.cut:
        yield to_failure(reader.error(), "parse", 1)


def _delimiter(sample: list[str], default: str) -> str:
    """The delimiter that splits most lines of the sample into the same number of cells, more than one."""
    best, most = default, 0.0
    for delimiter in default + DELIMITERS.replace(default, ""):
        try:
            widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter) if row)
        except csv.Error:  # an endless cell: this is not the delimiter
            continue
        width, lines = max(((w, n) for w, n in widths.items() if w > 1), key=lambda item: item[1], default=(1, 0))
        score = lines / max(1, widths.total()) + width / 10_000
        if lines and score > most + 1e-9:
            best, most = delimiter, score
    return best


def _with_header(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    """Rows of one width, the first of them a header: an invented one (A, B, ...) if the first row is data."""
    first = list(islice((row for row in rows if any(cell.strip() for cell in row)), 20))
    if not first:
        return
    width = max(len(row) for row in first)
    if len(first) > 1 and any(_is_number(cell) for cell in first[0]):
        yield [_letters(i) for i in range(width)]
    for row in chain(first, rows):
        yield padded(row, width)


def _is_number(cell: str) -> bool:
    text = cell.strip().replace(",", ".").replace(" ", "")
    return bool(text) and text.lstrip("+-").replace(".", "", 2).isdigit() and not 1900 <= _whole(text) <= 2100


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _letters(index: int) -> str:
    return (_letters(index // 26 - 1) if index >= 26 else "") + chr(65 + index % 26)
