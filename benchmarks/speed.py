"""Parts of an ingest against what the libraries do alone: ratios of the same work in the same run, in turns.

    python -m benchmarks.speed [DATA] [text] [pdf] [write]

`text`: passages of CISI to vectors, tokens a second, against `SentenceTransformer(...).encode` as it comes, with the
same weights. `pdf`: the born-digital PDFs of DATA/corpus through the sandbox, pages a second, against MuPDF's own
`page.get_text("dict")` in this process. `write`: 100,000 rows, passages and pages, through row files, merges and
indexes, against one `table.add` of the same Arrow data and the same indexes. Ends with 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.measure import load_gold

DATA = Path("../shared/data/dev")
PAIRS = 3
PARTS = ("text", "pdf", "write")
WORDS_OF_PAGE = 200  # characters of a text layer on every page: the PDF was not scanned
PASSAGES, PAGES, COMMIT = 95_000, 5_000, 2_000  # rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("parts", nargs="*", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    ways = {"text": text, "pdf": pdf, "write": write}
    met = {part: ways[part](given.data.resolve()) for part in given.parts}
    raise SystemExit(0 if all(met.values()) else f"missed: {', '.join(part for part in met if not met[part])}")


def in_turns(ours: Callable[[], object], theirs: Callable[[], object]) -> list[tuple[float, float]]:
    """Seconds of both, `PAIRS` times, after each ran once; who begins changes."""
    found = []
    ours(), theirs()
    for number in range(PAIRS):
        took = {}
        for name, action in (("ours", ours), ("theirs", theirs))[:: 1 if number % 2 else -1]:
            began = time.perf_counter()
            action()
            took[name] = time.perf_counter() - began
        found.append((took["ours"], took["theirs"]))
    return found


def told(name: str, pairs: Sequence[tuple[float, float]], amount: int, unit: str) -> list[float]:
    """Print what was measured; gives the ratios, theirs to ours."""
    ratios = [theirs / ours for ours, theirs in pairs]
    speeds = [amount / median(side) for side in zip(*pairs, strict=True)]
    print(
        f"{name}: {median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f} in {len(pairs)} pairs); "
        f"{speeds[0]:,.0f} against {speeds[1]:,.0f} {unit} a second",
        flush=True,
    )
    return ratios


def text(data: Path) -> bool:
    """At least 3.3 times sentence-transformers, cosine 0.999."""
    from sentence_transformers import SentenceTransformer

    from pipeline.embed.builtin.text import MAX_TOKENS, PACKAGE, minilm

    folder = Path(__import__(PACKAGE).__file__).parent / "model"
    model, theirs = minilm(), SentenceTransformer(str(folder), device="cpu")
    gold = load_gold(data / "gold" / "text_cisi")
    texts = [text for text in list(gold.documents.values())[:200] if model.count_tokens([text])[0] <= MAX_TOKENS]
    tokens = sum(model.count_tokens(texts))
    pairs = in_turns(lambda: model.embed_texts(texts), lambda: theirs.encode(texts, show_progress_bar=False))
    expected = theirs.encode(texts, show_progress_bar=False, normalize_embeddings=True)
    cosine = float((model.embed_texts(texts) * expected).sum(axis=1).min())
    ratios = told("text", pairs, tokens, "tokens")
    print(f"  {len(texts)} passages, {tokens:,} tokens; lowest cosine of the two {cosine:.5f}")
    return median(ratios) >= 3.3 and cosine >= 0.999


def pdf(data: Path) -> bool:
    """At least 40 % of what MuPDF needs for the text alone."""
    import pymupdf

    from pipeline.config import Limits
    from pipeline.parse import ParseOptions
    from pipeline.parse.sandbox import ParseJob, Sandbox
    from pipeline.route import route
    from pipeline.types import Blob

    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    files = [path for path in sorted((data / "corpus").rglob("*.pdf")) if _born_digital(path)]
    pages = sum(len(pymupdf.open(path)) for path in files)
    with tempfile.TemporaryDirectory() as name, Sandbox(1, Limits()) as workers:
        work = Path(name)

        def ours() -> None:
            options = ParseOptions(Limits(), route)
            jobs = [
                ParseJob(
                    Blob(path.as_uri(), path, "", path.stat().st_size, "application/pdf", path.name),
                    work / str(n),
                    options,
                )
                for n, path in enumerate(files)
            ]
            failed = [done.failure for done in workers.parse(jobs) if done.failure is not None]
            assert not failed, failed
            shutil.rmtree(work)

        def theirs() -> None:
            for path in files:
                with pymupdf.open(path) as document:
                    for page in document:
                        page.get_text("dict")

        ratios = told("pdf", in_turns(ours, theirs), pages, "pages")
    print(f"  {len(files)} files, {pages} pages, one worker")
    return median(ratios) >= 0.4


def _born_digital(path: Path) -> bool:
    import pymupdf

    with pymupdf.open(path) as document:
        return not document.needs_pass and all(len(page.get_text()) >= WORDS_OF_PAGE for page in document)


def write(_: Path) -> bool:
    """At most 1.5 times the bare library."""
    import lancedb
    import pyarrow as pa

    from benchmarks.page_scale import NOW, UNIFIED
    from benchmarks.page_scale import PAGES as PAGE_MODEL
    from pipeline.store import Models, RowFile, doc_id, open_store
    from pipeline.store.indexes import SCALAR, _vector_indexes
    from pipeline.types import DocumentRecord

    models, ratios = Models(UNIFIED, PAGE_MODEL), []
    for turn in range(PAIRS):
        with tempfile.TemporaryDirectory() as name:
            home = Path(name)
            store = open_store(str(home / "store"), create=models)
            ours, files = 0.0, []
            for number, rows in enumerate(_rows(turn)):
                path, uri = home / f"{number}.arrow", f"lot://{number:06}"
                record = DocumentRecord(uri, doc_id(uri), "indexed")
                began = time.perf_counter()
                with RowFile.create(path, models) as file:
                    file.add(record, rows, NOW)
                with store.writer():
                    store.replace(RowFile.open(path), [record.doc_id])
                ours += time.perf_counter() - began
                files.append(path)
            began = time.perf_counter()
            with store.writer():
                store.refresh_indexes()
            ours += time.perf_counter() - began
            schema = open_store(str(home / "store"))._tables.open("corpus").schema
            began = time.perf_counter()
            table = lancedb.connect(str(home / "bare")).create_table("corpus", schema=schema)
            table.add(pa.Table.from_batches(_batches(files, schema), schema))
            for column, config in {**SCALAR["corpus"], **_vector_indexes(table)}.items():
                table.create_index(column, config=config)
            bare = time.perf_counter() - began
            assert table.count_rows() == sum(store.count().values()) == PASSAGES + PAGES
            ratios.append(ours / bare)
            print(f"write: {ours:.1f} s, the bare library {bare:.1f} s, {ratios[-1]:.2f} times", flush=True)
    print(f"  {PASSAGES:,} passages, {PAGES:,} pages, {COMMIT:,} rows a commit; median {median(ratios):.2f} times")
    return median(ratios) <= 1.5


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


if __name__ == "__main__":
    main()
