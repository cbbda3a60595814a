"""A whole ingest of a mixed corpus beside `naive.py`, each a command of its own: `python -m benchmarks ingest`.

The naive pipeline reads what PyMuPDF opens of the same files, and by OCR the very pages that docmill read by OCR in the
first run, photographs' words included. What it cannot open (mail, ODF, HEIC) is not counted against it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pymupdf

from benchmarks.measure import docmill
from benchmarks.measure import ingest as run_ingest
from benchmarks.naive import Index
from benchmarks.pairs import Compared, in_turns
from pipeline.store import open_store

Read = set[tuple[str, int]]  # path, page


def ingest(data: Path, pairs: int) -> list[Compared]:
    """Into a new store each time."""
    corpus = data / "corpus"
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        numbers = iter(range(pairs))
        first = home / "first"
        print(f"  {run_ingest(first, corpus)}", flush=True)
        read = home / "read.json"
        read.write_text(json.dumps(sorted(pages_read(first))), encoding="utf-8")
        found = in_turns(
            lambda: run_ingest(home / f"store-{next(numbers)}", corpus), lambda: _naive(corpus, read), pairs, warm=False
        )
        note = f"{len(json.loads(read.read_text()))} pages by OCR in both"
    return [Compared("ingest", "a mixed corpus, by the command", "`naive.py`", 3.0, found, note)]


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
