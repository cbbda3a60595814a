"""`docmill browse` over a large store: how long each view and a search while typing take.

    python -m benchmarks.browse_scale [--documents 10000] [--keep FOLDER]

The store is made by lot, of rows that are written as an ingest writes them: six in ten documents are text, two are PDFs
of three pages of which one went by its picture, one is a photograph, one is in quarantine, and one PDF has 1,000 pages.
Models are the built-in ones, so that a question costs what it costs; vectors are random. The page is asked over HTTP,
in a process of its own, one request at a time; after one request for each view, each is asked `ROUNDS` times. Typing
asks for every prefix of a few questions from the third letter on. "Processor" is what that process worked for a
request, on all threads: it says something on a machine that does other things, too.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image, ImageDraw

from pipeline.config import Settings
from pipeline.ingest.open import models_of
from pipeline.layout import dump_layout
from pipeline.store import Models, RowFile, Store, TokenCounts, doc_id, open_store
from pipeline.types import DocumentRecord, Modality, Row, TextLine

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
ROUNDS = 15
COMMIT = 500  # documents
LONG = 1_000  # pages of the long document
PAGE_VECTORS = 100
PICTURES = 50  # different ones
WORDS = 20_000
QUESTIONS = ("where is the sluice gate", "how much does the wheel turn in winter", "a photograph of a cat")
KINDS = 12  # of failures


class Lot:
    """Rows by lot; the same for the same seed."""

    def __init__(self, models: Models, folder: Path) -> None:
        self.models, self.lot = models, np.random.default_rng(0)
        known = [word for question in QUESTIONS for word in question.split()]
        self.words = np.array([*known, *(f"w{number:x}" for number in range(WORDS))])
        self.pictures = [self._picture(folder / f"{number}.jpg") for number in range(PICTURES)]

    def documents(self, count: int) -> Iterator[tuple[DocumentRecord, list[Row]]]:
        for number in range(count):
            kind = number % 10
            uri = f"file:///archive/folder-{number % 97:02}/document-{number:05}"
            if number == 6:
                yield self._pdf(f"{uri}.pdf", LONG)
            elif kind < 6:
                rows = [self._passage(ordinal, None) for ordinal in range(3)]
                yield self._record(f"{uri}.txt", "text/plain", rows), rows
            elif kind < 8:
                yield self._pdf(f"{uri}.pdf", 3)
            elif kind == 8:
                row = self._row("image", 0, 1, "photograph", '{"width_px": 900, "height_px": 600, "colourful": 0.7}')
                yield self._record(f"{uri}.jpg", "image/jpeg", [row]), [row]
            else:
                yield self._failed(f"{uri}.pdf", number), []

    def _pdf(self, uri: str, pages: int) -> tuple[DocumentRecord, list[Row]]:
        rows = []
        for page in range(1, pages + 1):
            rows += [self._passage(2 * page - 2, page), self._passage(2 * page - 1, page)]
            if page % 3 == 0:
                rows.append(
                    self._row("page", page // 3 - 1, page, "scan", '{"chars": 3, "coverage": 1.0, "biggest": 1.0}')
                )
        return self._record(uri, "application/pdf", rows), rows

    def _passage(self, ordinal: int, page: int | None) -> Row:
        signals = json.dumps(
            {"chars": int(self.lot.integers(40, 3000)), "figure": round(float(self.lot.random()) / 9, 4)}
        )
        box = None if page is None else (72.0, 72.0 + 300 * (ordinal % 2), 540.0, 340.0 + 300 * (ordinal % 2))
        text = " ".join(self._some(90))
        return Row(
            "text",
            ordinal,
            text,
            page,
            box,
            ("A heading",),
            120,
            self._unit(),
            route="text",
            route_reason="text",
            route_signals=signals if page else "",
        )

    def _row(self, modality: Modality, ordinal: int, page: int, reason: str, signals: str) -> Row:
        lines = [TextLine(" ".join(self._some(8)), (60.0, 20.0 * n, 500.0, 20.0 * n + 15)) for n in range(1, 31)]
        is_page = modality == "page"
        many = self._units(PAGE_VECTORS, self.models.pages.dim).astype(np.float16) if is_page else None
        text = "\n".join(line.text for line in lines) if is_page else "a photograph of something"
        return Row(
            modality,
            ordinal,
            text,
            page,
            (0, 0, 612, 792),
            vector=self._unit(),
            multivector=many,
            picture=self.pictures[int(self.lot.integers(PICTURES))],
            route="page" if is_page else "image",
            route_reason=reason,
            route_signals=signals,
            layout=dump_layout(lines, None) if is_page else "",
        )

    def _record(self, uri: str, media_type: str, rows: Sequence[Row]) -> DocumentRecord:
        count = {kind: sum(row.modality == kind for row in rows) for kind in ("text", "image", "page")}
        title = " ".join(self._some(5))
        return DocumentRecord(
            uri,
            doc_id(uri),
            "indexed",
            content_sha256=f"{len(rows):064x}",
            size_bytes=90_000,
            media_type=media_type,
            title=title,
            recipe="a.b.c",
            text_rows=count["text"],
            image_rows=count["image"],
            page_rows=count["page"],
            first_seen=NOW,
            last_seen=NOW,
            modified_at=NOW,
            seconds=0.4,
        )

    def _failed(self, uri: str, number: int) -> DocumentRecord:
        kind = number // 10 % KINDS
        return DocumentRecord(
            uri,
            doc_id(uri),
            "quarantined",
            media_type="application/pdf",
            error="Unreadable",
            stage="parse",
            message=f"{uri}: damaged in way {kind}",
            fingerprint=f"{kind:010x}",
            attempts=1,
            first_seen=NOW,
            last_seen=NOW,
        )

    def _some(self, count: int) -> list[str]:
        places = np.minimum(self.lot.zipf(1.3, count), len(self.words)) - 1
        return list(self.words[places])

    def _unit(self) -> np.ndarray:
        return self._units(1, self.models.unified.dim)[0]

    def _units(self, count: int, dim: int) -> np.ndarray:
        made = self.lot.standard_normal((count, dim)).astype(np.float32)
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True))

    def _picture(self, path: Path) -> Path:
        noise = self.lot.integers(120, 255, (132, 102, 3), np.uint8)
        with Image.fromarray(noise).resize((1020, 1280)) as made:
            ImageDraw.Draw(made).text((99, 99), path.stem, "black")
            made.save(path, "JPEG", quality=80)
        return path


def make(folder: Path, count: int) -> Store:
    """A store of so many documents."""
    unified, pages = models_of(Settings(store=str(folder / "store")))
    store = open_store(str(folder / "store"), create=Models(unified.id, pages.id))
    lot = Lot(store.models, folder)
    group: list[tuple[DocumentRecord, list[Row]]] = []
    for number, made in enumerate(lot.documents(count), 1):
        group.append(made)
        if len(group) == COMMIT or number == count:
            _write(store, folder, group)
            group.clear()
    store.set_frequencies(TokenCounts(1000, np.ones(300_000, np.int64)))
    store.refresh_indexes(merge=True)
    return store


def _write(store: Store, folder: Path, group: Sequence[tuple[DocumentRecord, list[Row]]]) -> None:
    path = folder / "rows.arrow"
    with RowFile.create(path, store.models) as file:
        for record, rows in group:
            file.add(record, rows, NOW)
    with store.writer():
        store.replace(RowFile.open(path), [record.doc_id for record, _ in group])
        store.record([record for record, _ in group])


@dataclass(frozen=True, slots=True)
class Page:
    """The page in a process of its own, and a client of it."""

    client: httpx.Client
    process: psutil.Process

    def ask(self, path: str) -> float:
        """Milliseconds until the answer is there."""
        started = time.perf_counter()
        answer = self.client.get(path)
        took = 1000 * (time.perf_counter() - started)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[-400:])
        return took

    def measure(self, name: str, paths: Sequence[str]) -> None:
        """Ask for the first path once, then for all; print how long it took, and what the process worked for each."""
        first, before = self.ask(paths[0]), self._worked()
        times = [self.ask(path) for path in paths]
        each = 1000 * (self._worked() - before) / len(paths)
        figures = [first, np.median(times), np.percentile(times, 95), max(times), each]
        print(f"{name:<26}" + "".join(f"{figure:>11.0f}" for figure in figures), flush=True)

    def _worked(self) -> float:
        """Seconds of processor time, of all threads."""
        used = self.process.cpu_times()
        return used.user + used.system


@contextmanager
def browsing(store: str) -> Iterator[Page]:
    command = [sys.executable, "-m", "cli", "browse", "--store", store, "--port", str(_free_port()), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        with httpx.Client(base_url=json.loads(process.stdout.readline())["url"], timeout=120) as client:
            yield Page(client, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def views(store: Store) -> dict[str, str]:
    long, short = (doc_id(f"file:///archive/folder-{n % 97:02}/document-{n:05}.pdf") for n in (6, 7))
    asset = next(iter(store.page_pictures([short]).values()))
    return {
        "search, words": "/?q=where+is+the+sluice+gate",
        "search, filtered": "/?q=sluice+gate&source=folder-07&since=2026-01-01",
        "documents": "/documents",
        "documents, last part": "/documents?first=9900",
        "documents, by words": "/documents?q=document-042&order=newest",
        "document": f"/documents/{short}",
        "document of 1,000 pages": f"/documents/{long}?page=501",
        "routing": "/routing",
        "routing, one reason": "/routing?route=text&reason=text&first=2400",
        "quarantine": "/quarantine",
        "status": "/status",
        "API": "/api/documents?count=50",
        "page picture": f"/pictures/{asset}?width=480",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="make the store in this folder, or use the one that is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        is_there = (folder / "store").exists()
        store = open_store(str(folder / "store")) if is_there else make(folder, given.documents)
        print(f"{given.documents:,} documents, rows: {store.count()}")
        with browsing(store.uri) as page:
            page.ask("/?q=a")  # waits until the models are there
            heads = ("first", "median", "95 %", "most", "processor")
            print(f"{'milliseconds':<26}" + "".join(f"{head:>11}" for head in heads))
            for name, path in views(store).items():
                page.measure(name, [path] * ROUNDS)
            typed = [question[:end] for question in QUESTIONS for end in range(3, len(question) + 1)]
            page.measure("search while typing", [f"/answers?q={question}" for question in typed])


if __name__ == "__main__":
    main()
