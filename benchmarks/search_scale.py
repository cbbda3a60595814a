"""Fused search over 100,000 rows: latency with and without the models, processor time, recall against exact search.

    python -m benchmarks.search_scale [--rows 100000] [--queries 100] [--keep FOLDER]

Rows are made by lot and written, indexed and searched by the real code: 90 % passages of 60 to 160 words, 8 % pictures,
2 % pages of about 160 vectors. The vector of a row is the sum of a direction that all share, its topic, its own
direction and noise, so that two rows have a mean cosine of 0.1 and two of a topic one of 0.4; words are drawn by Zipf's
law, half of them from those of the topic. A question takes eight words of a row, half of its topic and of its own
direction. The built-in models embed the words of each question, so that their time is real, and what they give is
replaced by the question's vector. Recall: the first ten hits of the search beside those of the same search without
approximate indexes, and the first ten rows of each leg.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as `docmill` sets it

import numpy as np
import numpy.typing as npt

from benchmarks.lots import commit, documents
from pipeline.config import SearchWeights, Settings
from pipeline.embed.builtin.text import _folder
from pipeline.ingest.open import load_both
from pipeline.search import Answer, Searcher
from pipeline.store import Models, Store, legs, open_store
from pipeline.types import ModelId, QueryTokens, Row, Vectors

DIM, TOKEN_DIM = 384, 128
SHARES = {"image": 0.08, "page": 0.02}  # of all rows; the rest is passages
PARTS = {"all": 0.35, "topic": 0.6, "own": 0.6, "noise": 0.4}
WORDS, TOPICS, TOPIC_WORDS = 18_000, 200, 400
QUESTION_WORDS, PAGE_VECTORS = 8, range(120, 201)
DOCUMENT_ROWS, COMMIT_ROWS = 25, 5_000
TARGETS_MS = {"median": 60.0, "p95": 150.0}
RECALL = 0.97
WARM = 20  # questions that are not measured: models load, pages are read
UNIFIED, PAGES = ModelId("lot", "1", DIM, "none"), ModelId("lot-pages", "1", TOKEN_DIM, "none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--keep", type=Path, help="make the store in this folder, or use the one that is there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = given.keep or Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        world = World(given.rows)
        store = fill(place, world)
        missed = measure(store, [world.question(number) for number in world.asked(given.queries)])
    if missed:
        raise SystemExit("; ".join(missed))


def measure(store: Store, questions: Sequence[Question]) -> list[str]:
    """Print what was measured; gives what is beyond its target."""
    asked = Asked(questions)
    searcher = Searcher(store.snapshot(), asked, asked.pages, SearchWeights())
    exact = Searcher(store.snapshot(), asked, asked.pages, SearchWeights(), exact_pages=10**9)
    for question in questions[:WARM]:  # loads models, opens files, reads the ids of all rows
        searcher.answer_many([question.words])
        with without_indexes():
            exact.answer_many([question.words])
    walls: list[float] = []
    models: list[float] = []
    cores: list[float] = []
    recalls: list[float] = []
    for question in questions:
        asked.seconds, began, began_cpu = 0.0, time.perf_counter(), time.process_time()
        answer = searcher.answer_many([question.words])[0]
        walls.append(time.perf_counter() - began)
        cores.append(time.process_time() - began_cpu)
        models.append(asked.seconds)
        with without_indexes():
            recalls.append(overlap(answer, exact.answer_many([question.words])[0]))
    searches = np.array(walls) - np.array(models)
    median = line("search with models", walls)
    line("of that, models", models)
    line("of that, the rest", searches)
    line("processor time", cores)
    p95 = float(np.percentile(walls, 95) * 1e3)
    recall = float(np.mean(recalls))
    print(f"recall@10 of the fused search: {recall:.3f}, worst {min(recalls):.1f}, n={len(recalls)}")
    for leg in ("text", "image"):
        found = [leg_recall(store, question, leg) for question in questions]
        print(f"recall@10 of the leg {leg}: {np.mean(found):.3f}")
    told = {"median": median, "p95": p95}
    missed = [f"{name} {told[name]:.0f} ms, above {most:.0f}" for name, most in TARGETS_MS.items() if told[name] > most]
    return missed + ([f"recall@10 {recall:.3f}, below {RECALL}"] if recall < RECALL else [])


def line(name: str, seconds: Sequence[float] | npt.NDArray[np.floating[Any]]) -> float:
    """Print median and 95th percentile; gives the median in milliseconds."""
    median, p95 = np.median(seconds) * 1e3, np.percentile(seconds, 95) * 1e3
    print(f"{name:20} median {median:6.1f} ms, p95 {p95:6.1f} ms")
    return float(median)


def overlap(found: Answer, exact: Answer) -> float:
    wanted = {hit.id for hit in exact}
    return len(wanted & {hit.id for hit in found}) / len(wanted)


def leg_recall(store: Store, question: Question, leg: Any) -> float:
    found = {id for id, _ in store.nearest(question.vector, modality=leg, k=10)}
    with without_indexes():
        return len(found & {id for id, _ in store.nearest(question.vector, modality=leg, k=10)}) / 10


@contextmanager
def without_indexes() -> Iterator[None]:
    """Within it every vector is compared."""
    before = legs.EXACT_FILTERED
    legs.EXACT_FILTERED = 10**9
    try:
        yield
    finally:
        legs.EXACT_FILTERED = before


class Question:
    def __init__(self, words: str, vector: Vectors, tokens: Vectors) -> None:
        self.words, self.vector, self.tokens = words, vector, tokens


class World:
    """Topics and words, and rows and questions made of them by the number of the row."""

    def __init__(self, count: int) -> None:
        lot = np.random.default_rng(0)
        self.count = count
        self._all, self._topics = directions(lot, 1)[0], directions(lot, TOPICS)
        self._names = words_of_english()[:WORDS]
        self._topic_words = lot.integers(0, WORDS, (TOPICS, TOPIC_WORDS))
        self._word_vectors = directions(lot, WORDS, TOKEN_DIM)

    def kind(self, number: int) -> Any:
        place = number % 100
        return "page" if place < 2 else "image" if place < 10 else "text"

    def row(self, number: int) -> Row:
        lot, words, vector = self._made(number)
        kind = self.kind(number)
        text = " ".join(self._names[word] for word in (words[:4] if kind == "image" else words))
        many = None
        if kind == "page":
            tokens = np.resize(words, int(lot.choice(PAGE_VECTORS)))
            rough = self._word_vectors[tokens] + 0.5 * directions(lot, len(tokens), TOKEN_DIM)
            many = (rough / np.linalg.norm(rough, axis=1, keepdims=True)).astype(np.float16)
        box = (0.0, 0.0, 595.0, 842.0) if kind == "page" else None
        return Row(kind, number, text, page=1 + number % 30, bbox=box, vector=vector, multivector=many, route=kind)

    def asked(self, count: int) -> list[int]:
        return [int(number) for number in np.random.default_rng(1).choice(self.count, count, replace=False)]

    def question(self, number: int) -> Question:
        lot, words, _ = self._made(number, 0.5)
        vector = self._made(number, 0.5, noise_of=number + self.count)[2]
        chosen = lot.choice(words, QUESTION_WORDS, replace=False)
        return Question(" ".join(self._names[word] for word in chosen), vector, self._word_vectors[chosen])

    def _made(
        self, number: int, share: float = 1.0, noise_of: int | None = None
    ) -> tuple[np.random.Generator, npt.NDArray[np.int64], Vectors]:
        lot = np.random.default_rng([0, number])
        topic, length = int(lot.integers(TOPICS)), int(lot.integers(60, 160))
        common = np.minimum(lot.zipf(1.3, length), WORDS) - 1
        words = np.where(lot.random(length) < 0.5, common, lot.choice(self._topic_words[topic], length))
        own = directions(lot, 1)[0]
        noise = directions(lot if noise_of is None else np.random.default_rng([1, noise_of]), 1)[0]
        made = PARTS["all"] * self._all + share * (PARTS["topic"] * self._topics[topic] + PARTS["own"] * own)
        made = made + PARTS["noise"] * noise
        return lot, words, np.asarray(made / np.linalg.norm(made), np.float32)


def words_of_english() -> list[str]:
    """Whole words from the tokenizer of the built-in text model, in an order by lot."""
    known = json.loads((_folder() / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    words = sorted(word for word in known if word.isalpha() and word.isascii() and len(word) > 2)
    return [words[place] for place in np.random.default_rng(2).permutation(len(words))]


def directions(lot: np.random.Generator, count: int, dim: int = DIM) -> Vectors:
    made = lot.normal(size=(count, dim)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


class Asked:
    """The built-in embedder of passages and pictures: takes its time, and gives the vectors of the questions."""

    id, pictures_id, one_scale = UNIFIED, None, True

    def __init__(self, questions: Sequence[Question]) -> None:
        unified, pages = load_both(Settings())
        self._known = {question.words: question for question in questions}
        self._real, self.seconds = unified, 0.0
        self.pages = AskedPages(self, pages)
        self.max_tokens = unified.max_tokens

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        began = time.perf_counter()
        self._real.embed_queries(texts)
        self.seconds += time.perf_counter() - began
        return np.stack([self._known[text].vector for text in texts])

    def embed_picture_queries(self, texts: Sequence[str], queries: Vectors) -> Vectors:
        began = time.perf_counter()
        self._real.embed_picture_queries(texts, queries)
        self.seconds += time.perf_counter() - began
        return queries

    def notes(self, text: str) -> tuple[str, ...]:
        return self._real.notes(text)

    def tokens(self, text: str) -> Vectors:
        return self._known[text].tokens


class AskedPages:
    """The built-in page model, in the same way."""

    id, device, uses_frequencies = PAGES, "cpu", False

    def __init__(self, asked: Asked, real: Any) -> None:
        self._asked, self._real = asked, real

    def embed_query(self, text: str, frequencies: Any = None) -> QueryTokens:
        began = time.perf_counter()
        self._real.embed_query(text, frequencies)
        self._asked.seconds += time.perf_counter() - began
        tokens = self._asked.tokens(text)
        return QueryTokens(tokens, np.ones(len(tokens), np.float32))

    def line_owners(self, text: str) -> list[tuple[int, ...]]:
        return [()] if text else []


def fill(folder: Path, world: World) -> Store:
    """The store; what is not there yet is written and indexed."""
    store = open_store(str(folder / "store"), create=Models(UNIFIED, PAGES))
    began = time.perf_counter()
    for first in range(sum(store.count().values()), world.count, COMMIT_ROWS):
        made = [world.row(n) for n in range(first, min(first + COMMIT_ROWS, world.count))]
        commit(store, folder / "rows.arrow", documents(made, DOCUMENT_ROWS, first // DOCUMENT_ROWS))
    written = time.perf_counter() - began
    with store.writer():
        store.refresh_indexes()
    print(
        f"{store.count()}, made in {written:.0f} s, indexed in {time.perf_counter() - began - written:.0f} s",
        flush=True,
    )
    return store


if __name__ == "__main__":
    main()
