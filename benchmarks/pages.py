"""How well scanned pages are found: BM25 on what OCR read, one dense vector, MaxSim, and all of them together.

    python -m benchmarks.pages [DATA] [--cache FOLDER] [--sets finance dense abstracts] [--printed]

Pages are printed, scanned and read by OCR once (610 pages, half an hour on two cores) and kept in FOLDER as text; with
`--printed` the words are taken as they are printed, as if OCR made no mistake, which takes some minutes. Each
set becomes a store of page rows by the built-in models; every line is what `docmill search --modality page` answers
with these legs. nDCG@10 by group of questions, mean of the groups of a set, median seconds of a question, bytes a page.
`benchmarks.page_scale` measures recall of the index against exact MaxSim.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median

import numpy as np

from benchmarks.page_sets import SETS, PageSet, Questions, printed_lines, read_all
from pipeline.config import SearchWeights
from pipeline.embed import PageModel, Unified
from pipeline.embed.pages import load_pages
from pipeline.embed.unified import load_unified
from pipeline.page_vector import page_vectors
from pipeline.score import ndcg_at
from pipeline.search import DEPTH, Scope, Searcher
from pipeline.store import Models, RowFile, Store, TokenCounts, doc_id, open_store, sql_literal
from pipeline.types import DocumentRecord, PageImage, PageInput, Row, TextLine

DATA = Path("../shared/data/dev")
LEGS = {"BM25 on OCR text": ("bm25",), "dense vector": ("page",), "MaxSim": ("maxsim",)}
ALL = "docmill, all legs"
TOGETHER = 8  # pages that are embedded at once
NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)

Gains = Mapping[str, Sequence[float]]  # nDCG@10 of each question by group


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "docmill-pages")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--printed", action="store_true", help="take the words as they are printed, without OCR")
    given = parser.parse_args()
    unified, pages = load_unified("builtin"), load_pages("builtin")
    means: dict[str, list[float]] = {}
    for name in given.sets:
        page_set = SETS[name](given.data)
        cache = given.cache / f"{name}.jsonl"
        lines = printed_lines(page_set) if given.printed else read_all(page_set, cache, threads=2)
        with tempfile.TemporaryDirectory() as folder:
            store = fill(Path(folder), lines, unified, pages)
            print(f"{name}: {len(lines)} pages, {kilobytes(store)}")
            for title, legs in {**LEGS, ALL: None}.items():
                searcher = Searcher(store, unified, pages, SearchWeights())
                gains, seconds = ask(searcher, page_set, legs)
                means.setdefault(title, []).append(fmean(fmean(values) for values in gains.values()))
                print(line(title, gains), f" {median(seconds) * 1e3:.0f} ms", flush=True)
    for title, values in means.items():
        print(f"mean of {len(values)} sets  {title:20} {fmean(values):.3f}")


def fill(folder: Path, lines: Mapping[str, Sequence[str]], unified: Unified, pages: PageModel) -> Store:
    """A store with a document for each page, as an ingest makes it of a scan with these lines on it."""
    store = open_store(str(folder / "store"), create=Models(unified.id, pages.id))
    records = [DocumentRecord(name, doc_id(name), "indexed") for name in lines]
    with RowFile.create(folder / "rows.arrow", store.models) as file:
        for first in range(0, len(records), TOGETHER):
            group = records[first : first + TOGETHER]
            made = pages.embed_pages([page_input(lines[record.source_uri]) for record in group])
            for record, page, vector in zip(group, made, page_vectors([p.text for p in made], unified), strict=True):
                many = page.vectors if len(page.vectors) else None
                row = Row("page", 0, page.text, page=1, bbox=(0, 0, 595, 842), vector=vector, multivector=many)
                file.add(record, [row], NOW)
    with store.writer():
        store.replace(RowFile.open(folder / "rows.arrow"), [record.doc_id for record in records])
        store.record(records)
        counted = pages.count_frequencies(store.page_texts())
        store.set_frequencies(TokenCounts(counted.pages, counted.counts))
        store.refresh_indexes()
    return store


def page_input(lines: Sequence[str]) -> PageInput:
    """A page whose lines are known; where they stand makes no difference to its vectors."""
    places = tuple(TextLine(text, (56, 12.0 * row, 539, 12.0 * row + 10)) for row, text in enumerate(lines))
    return PageInput(PageImage(Path("no-picture"), 1240, 1754, 595, 842), places)


def ask(searcher: Searcher, page_set: PageSet, legs: Sequence[str] | None) -> tuple[Gains, list[float]]:
    """nDCG@10 and seconds of each question; a group's questions are asked of its pages only."""
    gains: dict[str, list[float]] = {}
    seconds: list[float] = []
    for group, questions in page_set.questions.items():
        scope = Scope(k=DEPTH, modality="page", where=where(questions))
        scope = scope if legs is None else Scope(k=DEPTH, modality="page", where=scope.where, legs=legs)
        searcher.answer_many(["warm up"], scope)
        for question, grades in questions.relevant.items():
            began = time.perf_counter()
            answer = searcher.answer_many([questions.texts[question]], scope)[0]
            seconds.append(time.perf_counter() - began)
            ranked = [hit.source_uri for hit in answer.hits]
            gains.setdefault(group, []).append(ndcg_at(10, ranked, grades))
    return gains, seconds


def where(questions: Questions) -> str | None:
    return f"source_uri LIKE {sql_literal(questions.among + '%')}" if questions.among else None


def line(title: str, gains: Gains) -> str:
    groups = "  ".join(f"{group} {fmean(values):.3f}" for group, values in gains.items())
    return f"  {title:20} {groups}  | mean {fmean(fmean(values) for values in gains.values()):.3f}"


def kilobytes(store: Store) -> str:
    sizes = store.page_counts(10_000).vectors * store.models.pages.dim * np.dtype(np.float16).itemsize / 1000
    return f"{sizes.mean():.0f} kB of vectors a page, {sizes.max():.0f} at the most"


if __name__ == "__main__":
    main()
