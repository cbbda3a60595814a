"""A picture, or a page of a document, as a query. It may be anyone's file, so a parse worker reads it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Settings
from pipeline.errors import UsageError
from pipeline.ingest.text_layer import trusted_lines
from pipeline.parse import ParseOptions, one_page, spool
from pipeline.parse.sandbox import Parsed, ParseJob, Sandbox
from pipeline.parse.sniff import sniff
from pipeline.route import route_query
from pipeline.types import Blob, Event, Failure, Info, Page, PageInput, PictureInput


@dataclass(frozen=True, slots=True)
class Example:
    """What to look for more of: a picture, and the page if it may be one. Files last as long as `read_example` does."""

    picture: PictureInput
    page: PageInput | None = None


@contextmanager
def read_example(path: Path, number: int, settings: Settings) -> Iterator[Example]:
    """The picture file, or page `number` of a PDF or TIFF.

    A picture is taken for a page where an ingest would take it for one; a page of a PDF always is. Raises UsageError if
    there is no such file or page, or if it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="docmill-query-") as folder:
        options = ParseOptions(settings.limits, route_query, settings.page.dpi, settings.sources.passwords, number)
        job = ParseJob(_blob(path), Path(folder), options, one_page.parse)
        with Sandbox(1, settings.limits) as sandbox:
            parsed = next(iter(sandbox.parse([job])))
        yield _example(path, number, _page(path, number, parsed))


def _blob(path: Path) -> Blob:
    try:
        size, media_type = path.stat().st_size, sniff(path, path.name) if path.is_file() else ""
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}; give a picture or a PDF that can be read") from error
    if media_type != "application/pdf" and not media_type.startswith("image/"):
        what = media_type or "not a file"
        raise UsageError(f"{path}: {what}; only pictures and PDF pages can be searched by")
    return Blob(path.resolve().as_uri(), path.resolve(), "", size, media_type, path.name)


def _page(path: Path, number: int, parsed: Parsed) -> Page:
    """The one page that was asked for. Raises UsageError that says why there is none."""
    events: list[Event] = [] if parsed.failure else list(spool.read(parsed.spool))
    failure = parsed.failure or next((event for event in events if isinstance(event, Failure)), None)
    page = next((event for event in events if isinstance(event, Page) and event.number in (number, None)), None)
    if page is not None and (number == 1 or page.number is not None):
        return page
    if failure is not None:
        raise UsageError(failure.message)
    count = next((event.page_count for event in events if isinstance(event, Info) and event.page_count), 1)
    raise UsageError(f"{path}: there is no page {number}; it has {count}")


def _example(path: Path, number: int, page: Page) -> Example:
    """The page's picture, and the page itself unless it is a picture of something else."""
    if page.image is not None:
        return Example(PictureInput(page.image.path), PageInput(page.image, trusted_lines(page)))
    if not page.pictures:
        raise UsageError(f"{path}: page {number} has no picture to search by")
    return Example(PictureInput(page.pictures[0].path))
