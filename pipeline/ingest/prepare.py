"""Preparing: sources to parsed documents in a work folder, attachments as documents of their own. Knows no store."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from itertools import chain, count
from pathlib import Path

from platformdirs import user_cache_path

from pipeline.config import Settings
from pipeline.errors import DocmillError, StoreError
from pipeline.ingest.fetch import changed_since, fetch, fetch_all
from pipeline.labelled import Labelled
from pipeline.parse import ParseOptions
from pipeline.parse.sandbox import Parsed, ParseJob, Sandbox
from pipeline.parse.spool import read
from pipeline.parse.worker import DiskFull
from pipeline.route import route
from pipeline.sources.listing import is_web, look_up
from pipeline.sources.web.kept import Kept
from pipeline.store import WEB, doc_id
from pipeline.types import Attachment, Found, Prepared

PAUSE_S = 0.5  # before the first retry; four times as long before each further one


class Preparer:
    """Fetches, parses and routes batches below `work_dir`, in the workers of `sandbox`, which stays the caller's, or in
    workers of its own that start at the first use."""

    def __init__(
        self,
        settings: Settings,
        work_dir: Path,
        sandbox: Sandbox | None = None,
        labels: Callable[[], Labelled] = lambda: {},
    ) -> None:
        """`labels` tells the routes that people have decided; it is asked once."""
        self.settings, self.work_dir, self._ask_labels = settings, work_dir, labels
        self.kept = Kept(web_folder(settings.store))
        self._open, self._closed = ExitStack(), threading.Event()
        self._sandbox = sandbox

    def prepare(self, batch: Sequence[Found], number: int = 0) -> list[Prepared]:
        """Every source of a batch and every attachment in it, in no particular order. Raises `StoreError` on a full
        disk.

        What fails for a reason that may pass is tried again, up to `retries` times with growing pauses, alone, and as
        it is by then.
        """
        folder = self.folder(number)
        done = self._once(batch, folder)
        for attempt in range(1, self.settings.retries + 1):
            again = _sources_to_retry(batch, done)
            if not again:
                break
            if self._closed.wait(PAUSE_S * 4 ** (attempt - 1)):
                break  # the run ends, and nobody takes what was prepared
            uris = {found.uri for found in again}
            done = [item for item in done if _source(item) not in uris]
            for found in again:
                done += [replace(item, attempts=attempt + 1) for item in self._once([_as_it_is_now(found)], folder)]
        return done

    def _once(self, batch: Sequence[Found], folder: Path) -> list[Prepared]:
        done = fetch_all(batch, folder, self.settings.limits, self.kept)
        jobs = [self._job(item, folder) for item in done if item.failure is None and not item.skip]
        revisions = {item.blob.uri: item.revision for item in done}
        done = [item for item in done if item.failure is not None or item.skip]
        while jobs:
            parsed = [_outcome(result, revisions) for result in self.workers().parse(jobs)]
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
        """Stop workers of its own and remove what lies in the work folder."""
        self._closed.set()
        self._open.close()
        shutil.rmtree(self.work_dir, ignore_errors=True)

    def workers(self) -> Sandbox:
        """The parse workers."""
        if self._sandbox is None:
            self._sandbox = self._open.enter_context(Sandbox(self.settings.workers, self.settings.limits))
        return self._sandbox

    @cached_property
    def _labels(self) -> Labelled:
        return self._ask_labels()

    def _job(self, item: Prepared, folder: Path) -> ParseJob:
        work_dir = folder / doc_id(item.blob.uri)
        work_dir.mkdir(exist_ok=True)
        settings = self.settings
        labels = self._labels.get((doc_id(item.blob.uri), item.blob.sha256), {})
        options = ParseOptions(settings.limits, route, settings.page.dpi, settings.sources.passwords, labels=labels)
        return ParseJob(item.blob, work_dir, options)

    def _attachments(self, item: Prepared) -> Iterator[Prepared]:
        if item.spool is None or item.failure is not None:
            return
        depth, limit = item.blob.depth + 1, self.settings.limits.attachment_depth
        taken: set[str] = set()
        for event in read(item.spool):
            if isinstance(event, Attachment):
                name = _free_name(event.name, taken)
                taken.add(name)
                uri = f"{item.blob.uri}!/{name}"
                found = Found(uri, "", event.path.stat().st_size, item.blob.modified_at, event.path)
                child = fetch(found)
                child = replace(child, blob=replace(child.blob, parent=item.blob.uri, depth=depth, name=event.name))
                too_deep = f"an attachment more than {limit} deep (limits.attachment_depth)"
                yield replace(child, skip=too_deep) if depth > limit else child


def _free_name(name: str, taken: Container[str]) -> str:
    """The name, or the first of NAME~2, NAME~3, ... that nothing else in the file has.

    >>> _free_name("a.txt", {"a.txt", "a.txt~2"})
    'a.txt~3'
    """
    others = (f"{name}~{number}" for number in count(2))
    return next(free for free in chain([name], others) if free not in taken)


def web_folder(store: str) -> Path:
    """Where a store keeps what was fetched: inside a local store, in the user's cache folder for one elsewhere."""
    if "://" in store and not store.startswith("file://"):
        return user_cache_path("docmill") / WEB / doc_id(store.rstrip("/"))
    return Path(store.removeprefix("file://")).absolute() / WEB


def _sources_to_retry(batch: Sequence[Found], done: Sequence[Prepared]) -> list[Found]:
    """Sources that failed, or an attachment of which failed, for a reason that may pass; not those that a plan holds to
    certain bytes: they would fail again."""
    hopeful = {_source(item) for item in done if item.failure is not None and item.failure.transient}
    free = [found for found in batch if found.sha256 is None and not found.pinned and found.failure is None]
    return [found for found in free if found.uri in hopeful]


def _as_it_is_now(found: Found) -> Found:
    """Looked up again; as it was listed while that is not to be had, and fetching it will say why. A page is what was
    fetched when it was listed."""
    if is_web(found.uri):
        return found
    try:
        return look_up(found.uri)
    except DocmillError:
        return found


def _source(item: Prepared) -> str:
    """The URI of the source that a document is, or is inside of."""
    return item.blob.uri if item.blob.parent is None else item.blob.uri.partition("!/")[0]


def _outcome(parsed: Parsed, revisions: dict[str, str]) -> Prepared:
    blob = parsed.job.blob
    if parsed.failure is not None and parsed.failure.error == DiskFull.__name__:
        raise StoreError(f"{parsed.failure.message}; make room there and run again: what is in the table is safe")
    failure = parsed.failure or (None if blob.parent else changed_since(blob, revisions.get(blob.uri, "")))
    return Prepared(blob, revisions.get(blob.uri, ""), parsed.spool, failure, "", parsed.seconds)
