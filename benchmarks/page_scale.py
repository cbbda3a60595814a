"""Page search at scale: recall of two-stage search against exact MaxSim, latency, bytes and build time.

    python -m benchmarks.page_scale [--pages 1000 10000] [--seeds 0 1] [--shared 0.7 2.4] [--keep FOLDER]

Pages are made by lot, about 160 vectors of 128 dimensions each, with words for BM25 and one dense vector. A token
vector is the sum of a direction that all share, its topic, its page, its word (drawn by Zipf's law; half of them from
the topic's own words) and noise that no other token has. A question takes 12 tokens of a page as they would stand
elsewhere: with noise of their own, and only half of the topic's and of the page's part. So all pages of a topic are
alike, common words are near each other on all pages, and the page asked about stands out, but not from all sides.
`--shared` is the length of the shared direction: with 0.7 the vectors of two pages have a mean cosine of 0.3, with 2.4
one of 0.85, as the built-in model's do.

Exact MaxSim over vectors held in memory and the search, as a program gets it, take turns question by question.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.lots import commit, documents
from pipeline.config import SearchWeights
from pipeline.score import maxsim
from pipeline.search import Scope, Searcher
from pipeline.store import Models, Store, open_store
from pipeline.types import ModelId, QueryTokens, Row, Vectors

DIM, DENSE_DIM = 128, 384
VECTORS = range(120, 201)  # of a page
QUESTION_TOKENS = 12
WORDS, TOPICS, TOPIC_WORDS = 20_000, 60, 400
PARTS = {"topic": 0.35, "page": 0.35, "word": 0.7, "noise": 0.6}  # lengths, before the sum is made unit
DOCUMENT_PAGES, COMMIT_PAGES = 50, 1_000
QUESTIONS = 20
UNIFIED, PAGES = ModelId("lot", "1", DENSE_DIM, "none"), ModelId("lot-pages", "1", DIM, "none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--shared", type=float, nargs="+", default=[0.7, 2.4])
    parser.add_argument("--keep", type=Path, help="make the stores in this folder, or use those that are there")
    given = parser.parse_args()
    for pages, seed, shared in product(given.pages, given.seeds, given.shared):
        with ExitStack() as stack:
            top = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder = top / f"{pages}-{seed}-{shared}"
            folder.mkdir(parents=True, exist_ok=True)
            print(f"{pages} pages, seed {seed}, shared {shared}:", measure(folder, pages, seed, shared), flush=True)


def measure(folder: Path, pages: int, seed: int, shared: float) -> str:
    world = World(seed, shared)
    store, built = fill(folder, world, pages)
    asked = np.random.default_rng([seed, 2]).choice(pages, QUESTIONS, replace=False)
    questions = [world.question(int(number)) for number in asked]
    held = store.multivectors()
    many = Searcher(store, Asked(questions, UNIFIED), Asked(questions, PAGES), SearchWeights(), exact_pages=0)
    chosen = Searcher(store, Asked(questions, UNIFIED), Asked(questions, PAGES), SearchWeights())
    ways = {
        "two stages, MaxSim": (many, Scope(legs=("maxsim",), modality="page")),
        "two stages, all legs": (many, Scope(modality="page")),
        "as chosen, all legs": (chosen, Scope(modality="page")),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ("exact scan", *ways)}
    recall = []
    for words, tokens, _ in [questions[0], *questions]:  # the first opens files
        began = time.perf_counter()
        scores = maxsim(tokens, None, held.vectors, held.offsets)
        best = {held.ids[i] for i in np.argsort(-scores, kind="stable")[:10]}
        seconds["exact scan"].append(time.perf_counter() - began)
        for name, (searcher, scope) in ways.items():
            began = time.perf_counter()
            answer = searcher.answer_many([words], scope)[0]
            seconds[name].append(time.perf_counter() - began)
            if len(scope.legs) == 1:
                recall.append(len(best & {hit.id for hit in answer.hits}) / len(best))
    size = held.vectors.nbytes / 1e6
    index = sum(file.stat().st_size for file in (folder / "store").rglob("_indices/**/*") if file.is_file()) / 1e6
    lines = [f"vectors {size:.0f} MB, indexes {index:.0f} MB{built}"]
    lines.append(
        f"  recall@10 of two stages against the exact scan: {np.mean(recall[1:]):.3f}, worst {min(recall):.1f}"
    )
    exact = np.median(seconds["exact scan"][1:])
    for name, values in seconds.items():
        times = f"median {np.median(values[1:]) * 1e3:.0f} ms, p95 {np.percentile(values[1:], 95) * 1e3:.0f} ms"
        lines.append(f"  {name:20} {times}, {np.median(values[1:]) / exact:.2f} of the exact scan")
    return "\n".join(lines)


class World:
    """Directions of topics and words, and pages and questions made of them; all by `seed`."""

    def __init__(self, seed: int, shared: float) -> None:
        lot = np.random.default_rng(seed)
        self._seed, self._parts = seed, PARTS | {"all": shared}
        self._all, self._topics = rows(lot, 1), rows(lot, TOPICS)
        self._words = rows(lot, WORDS)
        self._topic_words = lot.integers(0, WORDS, (TOPICS, TOPIC_WORDS))
        self._turn = rows(lot, DENSE_DIM, DIM).T  # tokens in the other space, that of dense vectors

    def page(self, number: int) -> Row:
        lot, topic, words, own = self._start(number)
        tokens = self._tokens(lot, topic, words, own, 1.0)
        text = " ".join(f"w{word}" for word in words)
        dense = (tokens @ self._turn).mean(axis=0)
        dense /= np.linalg.norm(dense)
        many = tokens.astype(np.float16)
        place = number % DOCUMENT_PAGES
        return Row("page", place, text, page=place + 1, vector=dense.astype(np.float32), multivector=many)

    def question(self, number: int) -> tuple[str, Vectors, Vectors]:
        """(words, token vectors, dense vector) of a question about a page."""
        _, topic, words, own = self._start(number)
        lot = np.random.default_rng([self._seed, 1, number])
        asked = lot.choice(words, QUESTION_TOKENS, replace=False)
        tokens = self._tokens(lot, topic, asked, own, 0.5)
        dense = (tokens @ self._turn).mean(axis=0)
        return " ".join(f"w{word}" for word in asked), tokens, (dense / np.linalg.norm(dense)).astype(np.float32)

    def _start(self, number: int) -> tuple[np.random.Generator, int, npt.NDArray[np.int64], Vectors]:
        lot = np.random.default_rng([self._seed, 0, number])
        topic, length = int(lot.integers(TOPICS)), int(lot.choice(VECTORS))
        common = np.minimum(lot.zipf(1.3, length), WORDS) - 1
        special = lot.choice(self._topic_words[topic], length)
        return lot, topic, np.where(lot.random(length) < 0.5, common, special), rows(lot, 1)

    def _tokens(
        self, lot: np.random.Generator, topic: int, words: npt.NDArray[np.int64], own: Vectors, share: float
    ) -> Vectors:
        part = self._parts
        made = part["all"] * self._all + share * (part["topic"] * self._topics[topic] + part["page"] * own)
        made = made + part["word"] * self._words[words] + part["noise"] * rows(lot, len(words))
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def rows(lot: np.random.Generator, count: int, dim: int = DIM) -> Vectors:
    made = lot.normal(size=(count, dim)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


class Asked:
    """The two models of a searcher, which know the vectors of its questions."""

    max_tokens, uses_frequencies, one_scale, device, pictures_id = 10_000, False, True, "cpu", None

    def __init__(self, questions: Sequence[tuple[str, Vectors, Vectors]], id: ModelId) -> None:
        self.id, self._known = id, {words: (tokens, dense) for words, tokens, dense in questions}

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._known[text][1] for text in texts])

    def line_owners(self, text: str) -> list[tuple[int, ...]]:  # noqa: ARG002
        return []

    def embed_query(self, text: str, frequencies: Any = None) -> QueryTokens:  # noqa: ARG002
        return QueryTokens(self._known[text][0], np.ones(QUESTION_TOKENS, np.float32))

    def notes(self, query: str) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def fill(folder: Path, world: World, pages: int) -> tuple[Store, str]:
    """The store, and in words how long it took to write and to index what was not there yet."""
    store = open_store(str(folder / "store"), create=Models(UNIFIED, PAGES))
    writing = 0.0
    for first in range(store.count()["page"], pages, COMMIT_PAGES):
        made = [world.page(number) for number in range(first, min(first + COMMIT_PAGES, pages))]
        began = time.perf_counter()
        commit(store, folder / "rows.arrow", documents(made, DOCUMENT_PAGES, first // DOCUMENT_PAGES))
        writing += time.perf_counter() - began
    began = time.perf_counter()
    with store.writer():
        store.refresh_indexes()
    return store, f"; written in {writing:.0f} s, indexed in {time.perf_counter() - began:.0f} s" if writing else ""


if __name__ == "__main__":
    main()
