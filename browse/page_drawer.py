"""Pages that have no picture in the store, drawn from their file while it is unchanged, by a parse worker."""

from __future__ import annotations

import io
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipeline.config import Settings
from pipeline.errors import DocmillError, UsageError
from pipeline.parse import ParseOptions, one_page, spool
from pipeline.parse.sandbox import ParseJob, Sandbox
from pipeline.route import route_query
from pipeline.sources.listing import look_up
from pipeline.types import Blob, DocumentRecord, Page

DPI = 110
QUALITY = 82
KEPT = 128  # pages, some 100 kB each
PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class DrawnPage:
    """A page as a JPEG, and its size in points."""

    jpeg: bytes
    width_pt: float
    height_pt: float


class PageDrawer:
    """Draws one page at a time; its worker starts with the first page and stays."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._sandbox: Sandbox | None = None
        self._kept: OrderedDict[tuple[str, str, int], DrawnPage] = OrderedDict()

    def draw(self, record: DocumentRecord, number: int) -> DrawnPage:
        """Raises `UsageError` if the page cannot be drawn: not a PDF of this machine, changed, gone, unreadable."""
        key = record.source_uri, record.content_sha256, number
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._draw(record, number)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return self._kept[key]

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)

    def _draw(self, record: DocumentRecord, number: int) -> DrawnPage:
        path = _unchanged(record)
        if path is None:
            raise UsageError("only pages of PDF files of this machine can be drawn, while these are as they were")
        if self._sandbox is None:
            self._sandbox = Sandbox(1, self._settings.limits)
        settings = self._settings
        options = ParseOptions(settings.limits, route_query, DPI, settings.sources.passwords, number)
        blob = Blob(record.source_uri, path, record.content_sha256, record.size_bytes, PDF, path.name)
        with tempfile.TemporaryDirectory(prefix="docmill-browse-") as folder:
            parsed = next(iter(self._sandbox.parse([ParseJob(blob, Path(folder), options, one_page.parse)])))
            events = [] if parsed.failure else spool.read(parsed.spool)
            page = next((event for event in events if isinstance(event, Page) and event.number == number), None)
            if page is None or page.image is None:
                raise UsageError("the page cannot be drawn")
            return DrawnPage(_jpeg(page.image.path), page.image.width_pt, page.image.height_pt)


def can_draw(record: DocumentRecord) -> bool:
    """True for PDF files of this machine that are as they were indexed, by their size and times."""
    return _unchanged(record) is not None


def _unchanged(record: DocumentRecord) -> Path | None:
    is_local = record.source_uri.startswith("file://") and record.parent is None
    if not is_local or record.media_type != PDF or record.state != "indexed":
        return None
    try:
        found = look_up(record.source_uri)
    except DocmillError:
        return None
    return found.path if found.revision and found.revision == record.revision else None


def _jpeg(path: Path) -> bytes:
    made = io.BytesIO()
    with Image.open(path) as picture:  # one of our own re-encodings
        picture.convert("RGB").save(made, "JPEG", quality=QUALITY)
    return made.getvalue()
