"""Excel workbooks: each sheet (hidden ones too) a Markdown table in slices that repeat the header row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from pipeline.errors import LimitExceeded, to_failure
from pipeline.parse import ParseOptions
from pipeline.parse.archive import Archive
from pipeline.parse.embedded_picture import PictureWriter
from pipeline.parse.markdown_table import padded, table_parts
from pipeline.parse.office_file import damaged_is_unreadable, document_info, opened
from pipeline.parse.slices import slices
from pipeline.types import Blob, Event, Part, Picture, Route

SHEET = Route("text", "sheet")
MOST_COLUMNS = 16_384  # of Excel itself
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff")


def parse(blob: Blob, work_dir: Path, options: ParseOptions) -> Iterator[Event]:
    """`Info`, then pages numbered by sheet; a long sheet is several pages with its number. Rows are read one by one.

    Pictures stand on the first sheet. Raises as `office_file.opened`; a sheet over `limits.pages` is a `Failure`.
    """
    import openpyxl

    path = opened(blob, work_dir, options)
    with damaged_is_unreadable(blob):
        book = openpyxl.load_workbook(str(path), read_only=True, data_only=True)
        core, names = book.properties, book.sheetnames
        yield document_info(core, path, core.creator or "", len(names))
        writer = PictureWriter(work_dir, options.limits)
        pictures = _pictures(path, blob, writer, options)
        for number, sheet in enumerate(book.worksheets, start=1):
            if number > options.limits.pages:
                error = LimitExceeded(f"{blob.name}: sheets after {options.limits.pages} are over limits.pages")
                yield to_failure(error, "parse", number)
                break
            if number >= options.first_page:
                found = pictures if number == 1 else ()
                yield from slices(chain(found, _sheet(sheet)), number, SHEET)
        yield from writer.left_out()
        book.close()


def _sheet(sheet: Any) -> Iterator[Part]:
    yield Part("heading", sheet.title, level=1)
    sheet.reset_dimensions()  # the declared size of a sheet is often wrong
    yield from table_parts(_trimmed(sheet.iter_rows(values_only=False)))


def _trimmed(rows: Any) -> Iterator[list[str]]:
    """Rows as text without what is empty at their ends, padded to the width of the header."""
    width = 0
    for row in rows:
        cells = [_value(cell) for cell in row[:MOST_COLUMNS]]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            width = width or len(cells)
            yield padded(cells, width)


def _value(cell: Any) -> str:
    """A cell as a person reads it: dates in ISO 8601, percentages with their sign, whole numbers without point."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "minutes")
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float) and str(cell.number_format or "").endswith("%"):
        return f"{value * 100:.6g}%"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.10g}"
    return str(value)


def _pictures(path: Path, blob: Blob, writer: PictureWriter, options: ParseOptions) -> Iterator[Picture]:
    archive = Archive(path, blob.name, options.limits)
    for name in archive.names():
        if name.startswith("xl/media/") and name.lower().endswith(PICTURES):
            picture = writer.write(archive.picture(name) or b"")
            if picture is not None:
                yield picture
    archive.close()
