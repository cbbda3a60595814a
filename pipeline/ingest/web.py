"""Web sources of a run: the fetcher, the folder where pages are kept, and workers that say what a page leads to."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.config import Settings
from pipeline.errors import Transient, Unreadable
from pipeline.ingest.fetch import unpacked
from pipeline.ingest.prepare import Preparer
from pipeline.parse import ParseOptions, addresses
from pipeline.parse.sandbox import ParseJob
from pipeline.parse.sniff import sniff
from pipeline.route import route
from pipeline.sources.ignore import rules_of
from pipeline.sources.web.browser import Browser, check_browser
from pipeline.sources.web.connection import Resolve, resolve
from pipeline.sources.web.crawl import Crawl, Leads, leads_of
from pipeline.sources.web.fetch import Fetcher
from pipeline.sources.web.kept import Kept, Record
from pipeline.types import Blob

LOOKED_INTO = (  # what a worker is asked about; anything else leads nowhere
    "text/html", "application/xhtml+xml", "application/xml", "text/xml", "text/plain", "application/gzip",
)  # fmt: skip


class Looker:
    """Says what a kept body leads to; parses it in a worker, one at a time, for any number of threads."""

    def __init__(self, preparer: Preparer, kept: Kept) -> None:
        self._preparer, self._kept = preparer, kept
        self._lock = threading.Lock()

    def __call__(self, record: Record) -> Leads:
        """Raises `Unreadable` or `LimitExceeded` for a damaged body, `Transient` if its worker died."""
        folder = self._preparer.folder(-1)
        with self._lock:
            path = unpacked(record, folder, self._kept)
            media_type = sniff(path, "")
            if media_type not in LOOKED_INTO:
                return Leads()
            try:
                return self._asked(record, path, media_type)
            finally:
                shutil.rmtree(path.parent, ignore_errors=True)

    def _asked(self, record: Record, path: Path, media_type: str) -> Leads:
        settings = self._preparer.settings
        blob = Blob(record.url, path, record.sha256, record.size_bytes, media_type, path.name, charset=record.charset)
        job = ParseJob(blob, path.parent / "leads", ParseOptions(settings.limits, route), addresses.parse)
        for parsed in self._preparer.workers().parse([job]):
            if parsed.failure is not None:
                kind = Transient if parsed.failure.transient else Unreadable
                raise kind(parsed.failure.message)
        found = json.loads((job.work_dir / addresses.FILE).read_bytes())
        skip = f"needs a browser: {found['browser']}" if found["browser"] else ""
        is_page = found["kind"] == "page" and media_type in ("text/html", "application/xhtml+xml")
        if found["kind"] == "page" and not is_page:
            return Leads()
        return leads_of(
            record, found["kind"], found["base"], found["links"], found["listings"], found["pictures"], skip
        )


def open_crawl(
    settings: Settings,
    urls: Sequence[str],
    preparer: Preparer,
    *,
    only_named: bool = False,
    resolve: Resolve = resolve,
) -> Crawl:
    """A crawl from these canonical URLs; the caller closes it. Raises `UsageError` for bad settings."""
    check_browser(settings.web)
    kept = preparer.kept
    fetcher = Fetcher(settings.web, settings.limits, kept, attempts=settings.retries + 1, resolve=resolve)
    rules = replace(rules_of(settings.sources), hidden=True)
    browser = Browser(fetcher) if settings.web.browser else None
    return Crawl(urls, fetcher, Looker(preparer, kept), rules, browser, only_named)
