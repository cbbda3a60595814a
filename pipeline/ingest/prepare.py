"""Preparing: sources to parsed documents in a work folder, attachments as documents of their own. Knows no store."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pipeline.config import Settings
from pipeline.errors import StoreError
from pipeline.ingest.fetch import changed_since, fetch, fetch_all
from pipeline.parse import ParseOptions
from pipeline.parse.sandbox import Parsed, ParseJob, Sandbox
from pipeline.parse.spool import read
from pipeline.parse.worker import DiskFull
from pipeline.route import route
from pipeline.store import doc_id
from pipeline.types import Attachment, Found, Prepared


class Preparer:
    """Fetches, parses and routes batches below `work_dir`, in workers that start at the first use."""

    def __init__(self, settings: Settings, work_dir: Path) -> None:
        self.settings, self.work_dir = settings, work_dir
        self._open = ExitStack()
        self._sandbox: Sandbox | None = None

    def prepare(self, batch: Sequence[Found], number: int = 0) -> list[Prepared]:
        """Every source of a batch and every attachment in it, in no particular order. Raises `StoreError` on a full
        disk."""
        folder = self.folder(number)
        done = fetch_all(batch, folder, self.settings.limits)
        jobs = [self._job(item, folder) for item in done if item.failure is None and not item.skip]
        revisions = {item.blob.uri: item.revision for item in done}
        done = [item for item in done if item.failure is not None or item.skip]
        while jobs:
            parsed = [_outcome(result, revisions) for result in self._workers().parse(jobs)]
            children = [child for item in parsed for child in self._attachments(item)]
            done += parsed + [child for child in children if child.failure is not None or child.skip]
            jobs = [self._job(child, folder) for child in children if child.failure is None and not child.skip]
        return done

    def folder(self, number: int) -> Path:
        """The work folder of a batch; it is there after the call."""
        folder = self.work_dir / f"batch-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def close(self) -> None:
        """Stop the workers and remove what lies in the work folder."""
        self._open.close()
        shutil.rmtree(self.work_dir, ignore_errors=True)

    def _workers(self) -> Sandbox:
        if self._sandbox is None:
            self._sandbox = self._open.enter_context(Sandbox(self.settings.workers, self.settings.limits))
        return self._sandbox

    def _job(self, item: Prepared, folder: Path) -> ParseJob:
        work_dir = folder / doc_id(item.blob.uri)
        work_dir.mkdir(exist_ok=True)
        settings = self.settings
        options = ParseOptions(settings.limits, route, settings.page.dpi, settings.sources.passwords)
        return ParseJob(item.blob, work_dir, options)

    def _attachments(self, item: Prepared) -> Iterator[Prepared]:
        if item.spool is None or item.failure is not None:
            return
        depth, limit = item.blob.depth + 1, self.settings.limits.attachment_depth
        names: Counter[str] = Counter()
        for event in read(item.spool):
            if isinstance(event, Attachment):
                names[event.name] += 1
                name = event.name if names[event.name] == 1 else f"{event.name}~{names[event.name]}"
                uri = f"{item.blob.uri}!/{name}"
                found = Found(uri, "", event.path.stat().st_size, item.blob.modified_at, event.path)
                child = fetch(found)
                child = replace(child, blob=replace(child.blob, parent=item.blob.uri, depth=depth, name=event.name))
                too_deep = f"an attachment more than {limit} deep (limits.attachment_depth)"
                yield replace(child, skip=too_deep) if depth > limit else child


def _outcome(parsed: Parsed, revisions: dict[str, str]) -> Prepared:
    blob = parsed.job.blob
    if parsed.failure is not None and parsed.failure.error == DiskFull.__name__:
        raise StoreError(f"{parsed.failure.message}; make room there and run again: what is in the table is safe")
    failure = parsed.failure or (None if blob.parent else changed_since(blob, revisions.get(blob.uri, "")))
    return Prepared(blob, revisions.get(blob.uri, ""), parsed.spool, failure, "", parsed.seconds)
