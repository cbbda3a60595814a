"""A whole ingest of a mixed corpus beside `naive.py`, each a command of its own: `python -m benchmarks ingest`.

The naive pipeline reads what PyMuPDF opens of the same files, and by OCR the very pages that docmill read by OCR. What
it cannot open (mail, ODF, HEIC) is not counted against it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pymupdf

from benchmarks.measure import docmill
from benchmarks.measure import ingest as run_ingest
from benchmarks.naive import Index
from benchmarks.pairs import Compared, timed
from pipeline.store import open_store

Read = set[tuple[str, int]]  # path, page


def ingest(data: Path, pairs: int, every: int = 1) -> list[Compared]:
    """Into a new store each time; with `every` each so-and-so-many-th file alone."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        corpus = home / "corpus"
        for path in sorted(path for path in (data / "corpus").rglob("*") if path.is_file())[::every]:
            copy = corpus / path.relative_to(data / "corpus")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        read, found = home / "read.json", []
        for number in range(pairs):
            ours = timed(partial(_docmill, home / f"store-{number}", corpus))
            if not number:
                read.write_text(json.dumps(sorted(pages_read(home / "store-0"))), encoding="utf-8")
            found.append((ours, timed(partial(_naive, corpus, read))))
            print(f"  pair {number + 1}: {found[-1][1].clock_s / ours.clock_s:.2f}", flush=True)
        files = sum(path.is_file() for path in corpus.rglob("*"))
        note = f"{files} files, {len(json.loads(read.read_text()))} pages by OCR in both"
    return [Compared("ingest", "a mixed corpus, whole commands", "`naive.py`", 3.0, found, note)]


def sample(data: Path, pairs: int) -> list[Compared]:
    """Every fifth file, which takes minutes and not hours."""
    return [replace(found, part="sample") for found in ingest(data, pairs, every=5)]


def _docmill(store: Path, corpus: Path) -> None:
    print(f"  {run_ingest(store, corpus, '--profile')}", flush=True)


def pages_read(folder: Path) -> Read:
    """Where the words of a row came from OCR."""
    store = open_store(str(folder))
    by_ocr = {
        name
        for name, layout in store.layouts(list(store.documents_held()))
        if json.loads(layout).get("read") is not None
    }
    rows = map(json.loads, docmill("rows", "--store", str(folder), "--json"))
    return {(unquote(urlsplit(row["source_uri"]).path), row["page"] or 1) for row in rows if row["id"] in by_ocr}


class Same(Index):
    """Files of any kind that PyMuPDF opens; OCR for the pages that are named."""

    def __init__(self, files: Sequence[Path], read: Read) -> None:
        self._read, self.by_ocr, self.unopened = read, 0, 0
        super().__init__(files)

    def pages(self, file: Path) -> Iterator[tuple[int, str]]:
        try:
            document = pymupdf.open(file)
        except (RuntimeError, ValueError):
            self.unopened += 1
            return
        with document:
            for number in range(0 if document.needs_pass else document.page_count):
                page = document[number]
                if (str(file), number + 1) in self._read:
                    self.by_ocr += 1
                    yield number + 1, self.read(page)
                else:
                    yield number + 1, page.get_text()


def _naive(corpus: Path, read: Path) -> None:
    subprocess.run([sys.executable, "-m", "benchmarks.whole", str(corpus), str(read)], check=True)


def main() -> None:
    corpus, read = Path(sys.argv[1]), {(path, page) for path, page in json.loads(Path(sys.argv[2]).read_text())}
    index = Same(sorted(path for path in corpus.rglob("*") if path.is_file()), read)
    print(
        f"  naive: {len(index.places)} chunks, {index.by_ocr} pages by OCR, {index.unopened} files not opened",
        flush=True,
    )


if __name__ == "__main__":
    main()
