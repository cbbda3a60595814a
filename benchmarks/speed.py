"""Parts of an ingest beside what the libraries do alone. `python -m benchmarks embed pdf write` runs them.

`embed`: passages of CISI to vectors beside `SentenceTransformer(...).encode` as it comes, with the same weights. `pdf`:
born-digital PDFs through the sandbox, with a worker a core as docmill runs and with a single one, beside MuPDF's own
`page.get_text("dict")` in one process. `write`: 100,000 rows, passages and pages, through row files, merges and
indexes, beside one `table.add` of the same Arrow data and the same indexes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.lots import commit
from benchmarks.measure import load_gold
from benchmarks.pairs import Compared, Took, in_turns, timed

if TYPE_CHECKING:
    from pipeline.parse.sandbox import Sandbox

WORDS_OF_PAGE = 200  # characters of a text layer on every page: the PDF was not scanned
PASSAGES, PAGES, COMMIT = 95_000, 5_000, 2_000  # rows
LEAST_COSINE = 0.999


def embed(data: Path, pairs: int) -> list[Compared]:
    """Tokens a second; raises `AssertionError` if the vectors are not those of sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    from pipeline.embed.builtin.text import MAX_TOKENS, PACKAGE, minilm

    folder = Path(__import__(PACKAGE).__file__).parent / "model"
    model, theirs = minilm(), SentenceTransformer(str(folder), device="cpu")
    gold = load_gold(data / "gold" / "text_cisi")
    texts = [text for text in list(gold.documents.values())[:200] if model.count_tokens([text])[0] <= MAX_TOKENS]
    found = in_turns(lambda: model.embed_texts(texts), lambda: theirs.encode(texts, show_progress_bar=False), pairs)
    expected = theirs.encode(texts, show_progress_bar=False, normalize_embeddings=True)
    cosine = float((model.embed_texts(texts) * expected).sum(axis=1).min())
    assert cosine >= LEAST_COSINE, cosine
    tokens, peak = model.count_tokens(texts), _peak()
    share = _operations(tokens) / median(took.clock_s for took, _ in found) / peak
    note = f"{sum(tokens):,} tokens, lowest cosine {cosine:.5f}, "
    note += f"{share:.0%} of the {peak / 1e9:.0f} GFLOP/s of half precision"
    return [Compared("embed", "passages", "sentence-transformers as it comes", 3.3, found, note)]


def _operations(tokens: Sequence[int], dim: int = 384, inner: int = 1536, layers: int = 6) -> float:
    """Multiplications and additions of MiniLM's layers over texts of so many tokens, those without padding.

    >>> _operations([254]) / 1e9
    6.03979776
    """
    products = sum((count + 2) * (4 * dim * dim + 2 * dim * inner) for count in tokens)
    looks = sum(2 * (count + 2) ** 2 * dim for count in tokens)
    return 2.0 * layers * (products + looks)


def _peak(size: int = 1024, rounds: int = 30) -> float:
    """Operations a second in products of square matrices by all cores, in the precision that text is embedded in."""
    import torch

    from pipeline.embed.builtin.bert import has_bfloat16

    matrix = torch.ones(size, size, dtype=torch.bfloat16 if has_bfloat16() else torch.float32)
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        matrix @ matrix
        took.append(time.perf_counter() - began)
    return 2.0 * size**3 / min(took)


def pdf(data: Path, pairs: int) -> list[Compared]:
    """All of what docmill takes from a PDF, pictures and page pictures too, but no OCR and no vectors."""
    import pymupdf

    from pipeline.config import Limits
    from pipeline.parse.sandbox import Sandbox

    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    files = [path for path in sorted((data / "corpus").rglob("*.pdf")) if _born_digital(path)]
    pages = sum(len(pymupdf.open(path)) for path in files)

    def theirs() -> None:
        for path in files:
            with pymupdf.open(path) as document:
                for page in document:
                    page.get_text("dict")

    compared = []
    for workers in dict.fromkeys((os.cpu_count() or 1, 1)):
        with tempfile.TemporaryDirectory() as name, Sandbox(workers, Limits()) as sandbox:
            found = in_turns(lambda: _parse(sandbox, files, Path(name)), theirs, pairs)
        part = f"pdf ({workers} worker{'s' * (workers > 1)})"
        compared.append(
            Compared(part, "born-digital PDFs", '`get_text("dict")` in one process', 0.4, found, f"{pages} pages")
        )
    return compared


def _parse(sandbox: Sandbox, files: Sequence[Path], work: Path) -> None:
    from pipeline.parse import ParseOptions
    from pipeline.parse.sandbox import ParseJob
    from pipeline.route import route
    from pipeline.types import Blob

    options = ParseOptions(sandbox.limits, route)
    jobs = [
        ParseJob(
            Blob(path.as_uri(), path, "", path.stat().st_size, "application/pdf", path.name), work / f"{n}", options
        )
        for n, path in enumerate(files)
    ]
    failed = [done.failure for done in sandbox.parse(jobs) if done.failure is not None]
    assert not failed, failed
    for job in jobs:
        shutil.rmtree(job.work_dir)


def _born_digital(path: Path) -> bool:
    import pymupdf

    with pymupdf.open(path) as document:
        return not document.needs_pass and all(len(page.get_text()) >= WORDS_OF_PAGE for page in document)


def write(_: Path, pairs: int) -> list[Compared]:
    """Rows on disk, with the indexes of both vector kinds and of the columns that searches filter by."""
    found = []
    for turn in range(pairs):
        with tempfile.TemporaryDirectory() as name:
            files: list[Path] = []
            ours = _through_store(Path(name), turn, files)
            found.append((ours, timed(partial(_bare, Path(name), files))))
            print(f"  pair {turn + 1}: {found[-1][1].clock_s / ours.clock_s:.2f}", flush=True)
    note = f"{PASSAGES:,} passages, {PAGES:,} pages of 57 vectors, {COMMIT:,} rows a commit"
    return [Compared("write", "rows and indexes", "one `table.add`, the same indexes", round(1 / 1.5, 2), found, note)]


def _through_store(home: Path, seed: int, files: list[Path]) -> Took:
    """From `Row` values on; adds the row files to `files`. The rows are drawn beside it."""
    from benchmarks.page_scale import PAGES as PAGE_MODEL
    from benchmarks.page_scale import UNIFIED
    from pipeline.store import Models, open_store

    models = Models(UNIFIED, PAGE_MODEL)
    store = open_store(str(home / "store"), create=models)
    took = []
    for number, rows in enumerate(_rows(seed)):
        files.append(home / f"{number}.arrow")
        took.append(timed(partial(commit, store, files[-1], {f"lot://{number:06}": rows})))

    def index() -> None:
        with store.writer():
            store.refresh_indexes()

    took.append(timed(index))
    assert sum(store.count().values()) == PASSAGES + PAGES
    return Took(sum(one.clock_s for one in took), sum(one.cpu_s for one in took))


def _bare(home: Path, files: Sequence[Path]) -> None:
    import lancedb
    import pyarrow as pa

    from pipeline.store import open_store
    from pipeline.store.indexes import SCALAR, _vector_indexes

    schema = open_store(str(home / "store"))._tables.open("corpus").schema
    table = lancedb.connect(str(home / "bare")).create_table("corpus", schema=schema)
    table.add(pa.Table.from_batches(_batches(files, schema), schema))
    for column, config in {**SCALAR["corpus"], **_vector_indexes(table)}.items():
        table.create_index(column, config=config)
    assert table.count_rows() == PASSAGES + PAGES


def _rows(seed: int) -> Iterator[list]:
    """Rows of one commit after the other: passages of some 60 words, pages of 57 vectors."""
    from benchmarks.page_scale import DENSE_DIM, DIM, rows
    from pipeline.types import Row

    lot = np.random.default_rng(seed)
    words = np.array([f"w{n}" for n in range(20_000)])
    for kind, count in (("text", PASSAGES), ("page", PAGES)):
        for first in range(0, count, COMMIT):
            size = min(COMMIT, count - first)
            dense, drawn = rows(lot, size, DENSE_DIM), np.minimum(lot.zipf(1.3, (size, 60)), 20_000) - 1
            yield [
                Row(
                    kind,
                    n,
                    " ".join(words[drawn[n]]),
                    page=n + 1,
                    vector=dense[n],
                    multivector=rows(lot, 57, DIM).astype(np.float16) if kind == "page" else None,
                )
                for n in range(size)
            ]


def _batches(files: Sequence[Path], schema) -> Iterator:
    import pyarrow as pa

    for path in files:
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number).select(schema.names)
