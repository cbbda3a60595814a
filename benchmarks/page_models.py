"""How the built-in page model was chosen: encoders, pooling and dimensions over the same scanned pages.

    python -m benchmarks.page_models [DATA] [--cache FOLDER]

Pages are printed, scanned and read by OCR once (610 pages, half an hour on two cores) and kept in FOLDER as text. A
line is one way to make vectors of a page: nDCG@10 of MaxSim alone by group of questions, their mean, the
means of its reciprocal rank fusion with BM25 and with BM25 and a dense vector, the change of the mean and of all
questions (with its standard error) against the first line of the encoder, and kB a page: mean, mean and most of pages
of 600 to 900 tokens.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.make_page_basis import basis, e5_states, label_texts, passages
from benchmarks.page_sets import SETS, PageSet, Questions, read_all
from pipeline.embed.builtin.e5 import PASSAGE, QUERY, e5
from pipeline.embed.builtin.pages import WINDOW, pooled
from pipeline.embed.builtin.text import MAX_TOKENS, minilm, unit
from pipeline.embed.builtin.windows import windows_of
from pipeline.score import fuse, maxsim, ndcg_at
from pipeline.types import Vectors

DATA = Path("../shared/data/dev")
DENSE = range(600, 901)  # tokens of a page that is full of text

Scores = npt.NDArray[np.float32]  # (questions, pages)
Ids = npt.NDArray[np.int64]
Starts = Callable[[int], Ids]  # number of tokens -> where vectors begin
Gains = Mapping[str, npt.NDArray[np.float64]]  # group -> nDCG@10 of each question


@dataclass(frozen=True, slots=True)
class Encoder:
    """`ids` of a text; `states` of texts as unit token vectors, of pages and of questions; `rarity` of ids."""

    name: str
    ids: Callable[[str], list[int]]
    page_states: Callable[[Sequence[str]], list[Vectors]]
    question_states: Callable[[Sequence[str]], list[Vectors]]
    rarity: Callable[[Sequence[int]], npt.NDArray[np.float32]]
    basis: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pages:
    """A set as OCR read it, and what of it does not depend on the encoder."""

    pages: PageSet
    ids: list[str]
    texts: list[str]
    questions: Mapping[str, str]
    bm25: Scores
    dense: Scores


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token vectors of pages and questions, their ids, and the questions' IDF weights."""

    pages: list[Vectors]
    page_ids: list[list[int]]
    questions: list[Vectors]
    weights: list[npt.NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "docmill-pages")
    given = parser.parse_args()
    sets = [read(make(given.data), given.cache / f"{name}.jsonl") for name, make in SETS.items()]
    for title, legs in (("BM25", ["bm25"]), ("dense, first window", ["dense"]), ("RRF of both", ["bm25", "dense"])):
        gains = merged(gains_of(one, *(getattr(one, leg) for leg in legs)) for one in sets)
        print(line(title, gains))
    for encoder in (e5_encoder(), minilm_encoder()):
        began = time.process_time()
        encoded = [encode(one, encoder) for one in sets]
        print(f"{encoder.name}: {(time.process_time() - began) / sum(len(one.ids) for one in sets):.2f} CPU s a page")
        compare(sets, encoded, encoder)


def compare(sets: Sequence[Pages], encoded: Sequence[Encoded], encoder: Encoder) -> None:
    first: Gains | None = None
    for title, starts, turn, weighted in variants(encoder.basis):
        made = [shrink(one, encoder, starts, turn, weighted) for one in encoded]
        alone = [late(one, turn, pages) for one, pages in zip(encoded, made, strict=True)]
        gains = merged(gains_of(one, scores) for one, scores in zip(sets, alone, strict=True))
        two = merged(gains_of(one, one.bm25, s) for one, s in zip(sets, alone, strict=True))
        three = merged(gains_of(one, one.bm25, one.dense, s) for one, s in zip(sets, alone, strict=True))
        first = first or gains
        sizes = [(len(ids), page.nbytes / 1000) for one, pages in zip(encoded, made, strict=True)
                 for ids, page in zip(one.page_ids, pages, strict=True)]  # fmt: skip
        print(line(title, gains, (two, three), first), kilobytes(sizes), flush=True)


def variants(found: npt.NDArray[np.float32]) -> Iterator[tuple[str, Starts, npt.NDArray[np.float32] | None, bool]]:
    """(title, pooling, projection, weighted by rarity or not)."""
    lot, _ = np.linalg.qr(np.random.default_rng(0).normal(size=found.shape))
    yield "384, all tokens", sequential(1), None, False
    for by in (2, 4, 8):
        yield f"384, sequential {by}", sequential(by), None, False
    for most in (48, 64, 96, 128):
        yield f"384, ceil(tokens / {most})", capped(most), None, False
    yield "384, even 65, weighted", even(65), None, True
    for dim, most in ((192, 128), (128, 192), (64, 384)):
        yield f"PCA {dim}, all tokens", sequential(1), found[:, :dim], False
        yield f"PCA {dim}, sequential 4", sequential(4), found[:, :dim], False
        yield f"PCA {dim}, even {most}", even(most), found[:, :dim], False
        yield f"PCA {dim}, even {most}, weighted", even(most), found[:, :dim], True
    yield "random 128, all tokens", sequential(1), lot[:, :128].astype(np.float32), False
    yield "random 128, even 192, weighted", even(192), lot[:, :128].astype(np.float32), True


def sequential(by: int) -> Starts:
    return lambda tokens: np.arange(0, tokens, by)


def capped(most: int) -> Starts:
    return lambda tokens: np.arange(0, tokens, max(1, -(-tokens // most)))


def even(most: int) -> Starts:
    return lambda tokens: np.arange(min(tokens, most)) * tokens // max(min(tokens, most), 1)


# encoders ---------------------------------------------------------------------------------------------------


def e5_encoder() -> Encoder:
    def states(prefix: str) -> Callable[[Sequence[str]], list[Vectors]]:
        lead = e5().ids(prefix)
        return lambda texts: [unit(rows) for rows in windowed(e5(), texts, WINDOW - len(lead), lead)]

    found = basis([e5_states(passages()), e5_states(label_texts())])
    return Encoder("e5", e5().ids, states(PASSAGE), states(QUERY), e5().rarity, found)


def minilm_encoder() -> Encoder:
    """Centred; its vocabulary is ordered by frequency, which stands for rarity."""
    mean = np.concatenate(list(windowed(minilm(), passages(), MAX_TOKENS))).mean(axis=0)

    def states(texts: Sequence[str]) -> list[Vectors]:
        return [unit(rows - mean) for rows in windowed(minilm(), texts, MAX_TOKENS)]

    found = basis([np.concatenate(states(passages())), np.concatenate(states(label_texts()))])
    order = np.log(np.maximum(np.arange(30522) - 1994, 2)).astype(np.float32)
    return Encoder("MiniLM, centred", minilm().ids, states, states, lambda ids: order[np.asarray(ids, int)], found)


def windowed(model: Any, texts: Sequence[str], size: int, lead: Sequence[int] = ()) -> Iterator[Vectors]:
    cut = [windows_of(ids, size) if (ids := model.ids(text)) else [] for text in texts]
    states = iter(model.encode_windows([[*lead, *window] for windows in cut for window in windows]))
    empty = np.zeros((0, 384), np.float32)
    for windows in cut:
        yield np.concatenate([empty, *(next(states)[len(lead) :] for _ in windows)])


def encode(one: Pages, encoder: Encoder) -> Encoded:
    page_ids = [encoder.ids(text) for text in one.texts]
    counts = Counter(id for ids in page_ids for id in set(ids))
    asked = [encoder.ids(text) for text in one.questions.values()]
    weights = [np.log([(len(page_ids) + 1) / (counts[id] + 0.5) for id in ids]).clip(0) for ids in asked]
    return Encoded(
        encoder.page_states(one.texts),
        page_ids,
        encoder.question_states(list(one.questions.values())),
        [rare.astype(np.float32) for rare in weights],
    )


def shrink(
    one: Encoded, encoder: Encoder, starts: Starts, turn: npt.NDArray[np.float32] | None, weighted: bool
) -> list[npt.NDArray[np.float16]]:
    made = []
    for rows, ids in zip(one.pages, one.page_ids, strict=True):
        weights = encoder.rarity(ids) if weighted else np.ones(len(ids), np.float32)
        few = pooled(rows, weights, starts(len(rows)))
        made.append((few if turn is None else unit(few @ turn)).astype(np.float16))
    return made


# scores -----------------------------------------------------------------------------------------------------


def read(pages: PageSet, cache: Path) -> Pages:
    lines = read_all(pages, cache, threads=2)
    texts = ["\n".join(lines[id]) for id in pages.printed]
    questions = {id: text for group in pages.questions.values() for id, text in group.texts.items()}
    dense = minilm().embed_queries(list(questions.values())) @ minilm().embed_starts(texts).T
    return Pages(pages, list(pages.printed), texts, questions, bm25(list(questions.values()), texts), dense)


def bm25(questions: Sequence[str], texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> Scores:
    """Source: Robertson and Zaragoza, The Probabilistic Relevance Framework (2009)."""
    counts = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
    on_pages = Counter(word for page in counts for word in page)
    lengths = np.array([page.total() for page in counts])
    scores = np.zeros((len(questions), len(texts)), np.float32)
    for row, question in enumerate(questions):
        for word in re.findall(r"\w+", question.lower()):
            found = np.array([page[word] for page in counts])
            rarity = np.log(1 + (len(texts) - on_pages[word] + 0.5) / (on_pages[word] + 0.5))
            scores[row] += rarity * found * (k1 + 1) / (found + k1 * (1 - b + b * lengths / lengths.mean()))
    return scores


def late(one: Encoded, turn: npt.NDArray[np.float32] | None, pages: Sequence[npt.NDArray[np.float16]]) -> Scores:
    stacked, offsets = np.concatenate(pages).astype(np.float32), np.cumsum([0, *map(len, pages)])
    asked = [rows if turn is None else unit(rows @ turn) for rows in one.questions]
    return np.stack([maxsim(rows, w, stacked, offsets) for rows, w in zip(asked, one.weights, strict=True)])


def gains_of(one: Pages, *legs: Scores) -> Gains:
    """nDCG@10 of each question of each group; several legs are fused by reciprocal rank."""
    return {name: np.array(list(_gains(one, group, legs))) for name, group in one.pages.questions.items()}


def _gains(one: Pages, group: Questions, legs: Sequence[Scores]) -> Iterator[float]:
    among = [place for place, id in enumerate(one.ids) if id.startswith(group.among)]
    rows = list(one.questions)
    for question, grades in group.relevant.items():
        scores = [leg[rows.index(question), among] for leg in legs]
        ranked = {str(leg): [one.ids[among[i]] for i in np.argsort(-s, kind="stable")] for leg, s in enumerate(scores)}
        yield ndcg_at(10, ranked["0"] if len(legs) == 1 else [hit.id for hit in fuse(ranked, {})], grades)


def merged(parts: Iterator[Gains]) -> Gains:
    return {group: values for part in parts for group, values in part.items()}


def line(title: str, gains: Gains, fused: Sequence[Gains] = (), first: Gains | None = None) -> str:
    means = {group: values.mean() for group, values in gains.items()}
    text = f"{title:32}" + " ".join(f"{group} {mean:.3f}" for group, mean in means.items())
    text += f" | mean {np.mean(list(means.values())):.3f}"
    if first is None:
        return text
    changes = np.concatenate([gains[group] - first[group] for group in gains])
    whole = np.mean(list(means.values())) / np.mean([values.mean() for values in first.values()]) - 1
    text += " RRF " + " ".join(f"{np.mean([values.mean() for values in each.values()]):.3f}" for each in fused)
    return f"{text} | {whole:+.1%}, {changes.mean():+.3f} ({changes.std() / len(changes) ** 0.5:.3f})"


def kilobytes(sizes: Sequence[tuple[int, float]]) -> str:
    dense = [size for tokens, size in sizes if tokens in DENSE]
    return f"| {np.mean([size for _, size in sizes]):.0f} {np.mean(dense):.0f} {max(dense):.0f} kB"


if __name__ == "__main__":
    main()
