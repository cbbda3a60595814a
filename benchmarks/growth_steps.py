"""One step of `benchmarks.growth` in a process of its own, so that its memory can be told: write, index or search.

    python -m benchmarks.growth_steps write FOLDER --rows 100000

Prints one line of JSON; `seconds` are those of the store's work, without imports and without making rows. Rows are made
by lot, in blocks that depend on nothing but their number: 90 % passages of 100 words, 8 % pictures, 2 % pages of 57
vectors. A vector is the sum of a direction that all share, its topic's and its own; words are drawn by Zipf's law, half
of them from those of the topic.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `docmill` sets it

import numpy as np

from benchmarks import page_scale
from benchmarks.lots import commit, documents
from benchmarks.page_scale import DENSE_DIM, DIM, PAGES, QUESTION_TOKENS, UNIFIED, rows
from pipeline.config import SearchWeights
from pipeline.search import Searcher
from pipeline.store import Models, Store, open_store
from pipeline.types import Modality, Row, Vectors

BLOCK = 2_000  # rows of a commit
DOCUMENT_ROWS = 25
TOPICS, WORDS, TOPIC_WORDS, TEXT_WORDS = 200, 20_000, 400, 100
PARTS = {"all": 0.35, "topic": 0.6, "own": 0.72}
PAGE_VECTORS = 57
WARM, QUESTIONS = 5, 40


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows before they are `Row`s: words by number, and vectors."""

    words: Any  # (rows, TEXT_WORDS) integers
    vectors: Vectors
    lot: np.random.Generator


class World:
    """Topics and words, and from them any block of rows and any question."""

    def __init__(self) -> None:
        lot = np.random.default_rng(0)
        self._all, self._topics = rows(lot, 1, DENSE_DIM), rows(lot, TOPICS, DENSE_DIM)
        self._topic_words = lot.integers(0, WORDS, (TOPICS, TOPIC_WORDS))
        self._word_vectors = rows(lot, WORDS, DIM)
        self._names = np.array([f"w{number}" for number in range(WORDS)])

    def rows(self, number: int, count: int = BLOCK) -> list[Row]:
        """The first `count` rows of a block."""
        block = self._block(number)
        return [self._row(block, place) for place in range(count)]

    def question(self, number: int) -> tuple[str, Vectors, Vectors]:
        """(words, token vectors, dense vector) of a question about the row of this number."""
        block, place = self._block(number // BLOCK), number % BLOCK
        lot = np.random.default_rng([1, number])
        words = lot.choice(block.words[place], QUESTION_TOKENS, replace=False)
        dense = block.vectors[place] + 0.6 * rows(lot, 1, DENSE_DIM)[0]
        text = " ".join(self._names[words])
        return text, self._tokens(lot, words), np.asarray(dense / np.linalg.norm(dense), np.float32)

    def _block(self, number: int) -> Block:
        lot = np.random.default_rng([0, number])
        topics = lot.integers(0, TOPICS, BLOCK)
        common = np.minimum(lot.zipf(1.3, (BLOCK, TEXT_WORDS)), WORDS) - 1
        special = self._topic_words[topics[:, None], lot.integers(0, TOPIC_WORDS, (BLOCK, TEXT_WORDS))]
        words = np.where(lot.random((BLOCK, TEXT_WORDS)) < 0.5, common, special)
        made = PARTS["all"] * self._all + PARTS["topic"] * self._topics[topics]
        made = made + PARTS["own"] * rows(lot, BLOCK, DENSE_DIM)
        return Block(words, np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32), lot)

    def _row(self, block: Block, place: int) -> Row:
        kind: Modality = "page" if place % 50 == 0 else "image" if place % 50 < 5 else "text"
        words = block.words[place][: 4 if kind == "image" else TEXT_WORDS]
        many = self._tokens(block.lot, words[:PAGE_VECTORS]).astype(np.float16) if kind == "page" else None
        text = " ".join(self._names[words])
        return Row(kind, place, text, page=1 + place % 30, vector=block.vectors[place], multivector=many, route=kind)

    def _tokens(self, lot: np.random.Generator, words: Any) -> Vectors:
        rough = self._word_vectors[words] + 0.5 * rows(lot, len(words))
        return np.asarray(rough / np.linalg.norm(rough, axis=1, keepdims=True), np.float32)


class Asked(page_scale.Asked):
    """Models that know the vectors of their questions; one space for passages and pictures."""

    def embed_picture_queries(self, texts: Sequence[str], queries: Vectors) -> Vectors:  # noqa: ARG002
        return queries


def write(folder: Path, count: int) -> dict[str, Any]:
    """So many rows into a new store; `first_s` and `last_s` are the medians of the first and the last ten commits."""
    store = open_store(str(folder / "store"), create=Models(UNIFIED, PAGES))
    assert not sum(store.count().values()), f"{folder} is in use"
    world, cpu, commits = World(), 0.0, []
    for first in range(0, count, BLOCK):
        made = world.rows(first // BLOCK, min(BLOCK, count - first))
        start, start_cpu = time.perf_counter(), time.process_time()
        commit(store, folder / "rows.arrow", documents(made, DOCUMENT_ROWS, first // DOCUMENT_ROWS))
        commits.append(time.perf_counter() - start)
        cpu += time.process_time() - start_cpu
    first_s, last_s = float(np.median(commits[:10])), float(np.median(commits[-10:]))
    return {"seconds": sum(commits), "cpu_s": cpu, "first_s": first_s, "last_s": last_s}


def index(folder: Path) -> dict[str, Any]:
    """All indexes of a store that has none but the one of its words."""
    store = open_store(str(folder / "store"))
    began, cpu = time.perf_counter(), time.process_time()
    with store.writer():
        store.refresh_indexes()
    seconds = time.perf_counter() - began
    held = sum(file.stat().st_size for file in (folder / "store").rglob("*") if file.is_file())
    return {"seconds": seconds, "cpu_s": time.process_time() - cpu, "store_mb": held / 2**20}


def search(folder: Path) -> dict[str, Any]:
    """Questions one by one, all legs, without models; the first opens the store."""
    store, world = open_store(str(folder / "store")), World()
    count = sum(store.count().values())
    asked = np.random.default_rng(3).choice(count, WARM + QUESTIONS, replace=False)
    questions = [world.question(int(number)) for number in asked]
    times = list(_answered(store, questions))
    after = times[WARM:]
    return {"seconds": float(np.median(after)), "p95_s": float(np.percentile(after, 95)), "first_s": times[0]}


def _answered(store: Store, questions: list[tuple[str, Vectors, Vectors]]) -> Iterator[float]:
    began = time.perf_counter()
    searcher = Searcher(store.snapshot(), Asked(questions, UNIFIED), Asked(questions, PAGES), SearchWeights())
    for words, _, _ in questions:
        assert searcher.answer_many([words])[0].hits
        yield time.perf_counter() - began
        began = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("write", "index", "search"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.step == "write":
        print(json.dumps(write(given.folder, given.rows)))
    else:
        print(json.dumps({"index": index, "search": search}[given.step](given.folder)))


if __name__ == "__main__":
    main()
