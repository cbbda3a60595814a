"""OCR once: the words of a page picture come from the store where the same reader has read the same picture before.

Unlike vectors they do not depend on models, chunker or router: a row of any recipe will do, and one of another store,
which another page model needs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path

from pipeline.embed import Reader
from pipeline.ingest.draft import Draft
from pipeline.ingest.records import has_rows
from pipeline.ingest.stopwatch import Stopwatch
from pipeline.layout import ReadBy, load_layout
from pipeline.store import Store
from pipeline.types import PageImage, Prepared, Reading

MAX_PAGES = 100_000  # known readings of a batch
AT_ONCE = 4  # pages that are read at the same time, at most: each has lines enough for several cores


class PageReader:
    """Reads page pictures for documents, and counts for each what had to be read and what was there.

    Within `with`, pictures that were begun are read in threads of its own, while the caller does other things.
    """

    def __init__(self, reader: Reader, known: KnownReadings | None = None, stopwatch: Stopwatch | None = None) -> None:
        self._reader, self._known = reader, known or KnownReadings({})
        self._stopwatch = stopwatch or Stopwatch()
        self._begun: dict[Path, Future[Reading]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> PageReader:
        self._pool = ThreadPoolExecutor(min(AT_ONCE, max(2, os.cpu_count() or 1)), "pages")
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for what is being read; the rest of what was begun is left."""
        assert self._pool is not None
        self._pool.shutdown(cancel_futures=True)
        self._pool = None

    def begin(self, image: PageImage) -> None:
        """Start reading a picture that `read` will ask for, unless its words are known. Whatever fails, fails there."""
        if self._pool is None or image.path in self._begun:
            return
        with suppress(OSError):
            if self._by(image) not in self._known:
                self._begun[image.path] = self._pool.submit(self._read, image)

    def read(self, draft: Draft, image: PageImage) -> tuple[Reading, ReadBy]:
        """What stands on the picture, and what to note with the row. Raises what the reader raises."""
        by = self._by(image)
        reading = self._known.find(by)
        if reading is not None:
            draft.readings_reused += 1
            return reading, ReadBy(by.reader, by.picture, reading.note)
        draft.pages_read += 1
        begun = self._begun.pop(image.path, None)
        with self._stopwatch.of("OCR"):
            reading = begun.result() if begun else self._read(image)
        return reading, ReadBy(by.reader, by.picture, reading.note)

    def _read(self, image: PageImage) -> Reading:
        return self._reader.read(image.path, image.width_pt, image.height_pt)

    def _by(self, image: PageImage) -> ReadBy:
        return ReadBy(self._reader.id, picture_id(image))


class KnownReadings:
    """Stored rows by the reader and the picture that their text came from; text and boxes are read when asked for."""

    def __init__(self, rows: Mapping[tuple[str, str], tuple[Store, str]]) -> None:
        self._rows = rows

    def __contains__(self, by: ReadBy) -> bool:
        return (by.reader, by.picture) in self._rows

    def find(self, by: ReadBy) -> Reading | None:
        """What was read on this picture by this reader, None if nothing is known. Raises `StoreError`."""
        store, name = self._rows.get((by.reader, by.picture), (None, ""))
        row = store.vectors([name]).get(name) if store is not None else None
        if row is None:
            return None
        layout = load_layout(row.layout, row.text)
        if row.text and not layout.lines:  # the page model kept no places of lines
            return None
        return Reading(layout.lines, layout.read.note if layout.read else "")


def load_readings(stores: Sequence[Store], prepared: Sequence[Prepared]) -> KnownReadings:
    """What was read on the pictures of these documents' earlier versions, and of one copy each, in all the stores."""
    blobs = [item.blob for item in prepared if item.spool is not None and not item.failure and not item.skip]
    known: dict[tuple[str, str], tuple[Store, str]] = {}
    for store in stores:
        earlier = [record.doc_id for record in store.documents([blob.uri for blob in blobs]) if has_rows(record)]
        copies = {record.content_sha256: record.doc_id for record in store.copies([blob.sha256 for blob in blobs])}
        for name, layout in islice(store.layouts(list(dict.fromkeys([*earlier, *copies.values()]))), MAX_PAGES):
            read = json.loads(layout).get("read")
            if read is not None:
                known[read[0], read[1]] = (store, name)
    return KnownReadings(known)


def picture_id(image: PageImage) -> str:
    """Of the picture's bytes and of the page's size, which the boxes of its lines are in."""
    with image.path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.blake2b(f"{content} {image.width_pt} {image.height_pt}".encode(), digest_size=12).hexdigest()
