"""How well whole pages are found: BM25, one dense vector, MaxSim of the built-in page model, and their fusion.

    python benchmarks/pages.py --text-layer                  # words from the PDF's text layer: a minute
    python benchmarks/pages.py --ocr --cache build/ocr       # words read from 150 dpi pictures: 3-6 s a page, once

FOLDER holds `gold/page_retrieval/queries.jsonl` with {"_id", "text", "gold": [{"doc", "page"}]} lines and `docs/*.pdf`.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pymupdf

from pipeline.embed.builtin import pages as builtin
from pipeline.embed.builtin.text import minilm
from pipeline.embed.ocr import Ocr
from pipeline.score import fuse, maxsim, mrr, ndcg_at, recall_at
from pipeline.types import PageImage, PageInput, TextLine

DPI = 150
Scores = np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("../shared/data/dev"))
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--text-layer", action="store_true")
    way.add_argument("--ocr", action="store_true")
    parser.add_argument("--cache", type=Path, default=Path("build/ocr"), help="folder of OCR results (JSON)")
    parser.add_argument("--pooling", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--mean", choices=["shipped", "corpus", "none"], default="shipped", help="what centres tokens")
    given = parser.parse_args()
    gold = given.folder / "gold" / "page_retrieval"
    pages = read(gold / "docs", given.cache if given.ocr else None, given.threads)
    queries = [json.loads(line) for line in (gold / "queries.jsonl").read_text().splitlines()]
    report(pages, queries, given.pooling, given.threads, given.mean)


def read(folder: Path, cache: Path | None, threads: int) -> dict[str, PageInput]:
    """Every page of the PDFs by "file#page"; with `cache`, its lines are read by OCR unless they are there."""
    ocr = Ocr(threads)
    pages = {}
    for path in sorted(folder.glob("*.pdf")):
        with pymupdf.open(path) as document:
            for number, page in enumerate(document, 1):
                lines = (
                    text_layer(page) if cache is None else read_page(ocr, page, cache / f"{path.stem}-{number}.json")
                )
                size = page.rect.width, page.rect.height
                pages[f"{path.name}#{number}"] = PageInput(PageImage(path, 0, 0, *size), lines)
    return pages


def text_layer(page: pymupdf.Page) -> tuple[TextLine, ...]:
    lines = [line for block in page.get_text("dict")["blocks"] for line in block.get("lines", ())]
    return tuple(TextLine("".join(span["text"] for span in line["spans"]), tuple(line["bbox"])) for line in lines)


def read_page(ocr: Ocr, page: pymupdf.Page, cached: Path) -> tuple[TextLine, ...]:
    if not cached.exists():
        with tempfile.TemporaryDirectory() as folder:
            picture = Path(folder) / "page.png"
            page.get_pixmap(dpi=DPI).save(picture)
            lines = ocr.read(picture, page.rect.width, page.rect.height)
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_text(json.dumps([asdict(line) for line in lines]))
    return tuple(TextLine(**line) for line in json.loads(cached.read_text()))


def report(pages: Mapping[str, PageInput], queries: Sequence[Mapping], pooling: int, threads: int, mean: str) -> None:
    ids, model = list(pages), builtin.BuiltinPages(threads, pooling)
    if mean != "shipped":
        model.mean = replacement(pages, threads) if mean == "corpus" else np.zeros(384, np.float32)
    started = time.perf_counter()
    embedded = model.embed_pages(list(pages.values()))
    seconds = time.perf_counter() - started
    texts = [page.text for page in embedded]
    sizes = [len(page.vectors) for page in embedded]
    offsets = np.cumsum([0, *sizes])
    print(f"{len(pages)} pages, {len(queries)} queries; {sum(map(len, texts)) / len(texts):.0f} characters a page")
    print(f"{np.mean(sizes):.0f} vectors a page (most {max(sizes)}), {np.mean(sizes) * 768 / 1024:.1f} kB; ", end="")
    print(f"{seconds / len(pages) * 1000:.0f} ms a page to encode, on {threads} thread(s)\n")
    frequencies, documents = model.count_frequencies(texts), np.concatenate([page.vectors for page in embedded])
    dense, lexical = minilm(threads).embed_starts(texts), BM25(texts)

    runs: dict[str, list[list[str]]] = {}
    for query in queries:
        tokens = model.embed_query(query["text"], frequencies)
        legs = {
            "bm25": lexical(query["text"]),
            "dense": dense @ minilm(threads).embed_queries([query["text"]])[0],
            "maxsim": maxsim(tokens.vectors, tokens.weights, documents, offsets),
        }
        ranked = {leg: [ids[i] for i in np.argsort(-scores, kind="stable")[:100]] for leg, scores in legs.items()}
        for count in (1, 2, 3):
            for names in combinations(ranked, count):
                fused = [hit.id for hit in fuse({name: ranked[name] for name in names}, {})]
                runs.setdefault(" + ".join(names), []).append(fused)
    print(f"{'':24} {'R@1':>6} {'R@5':>6} {'nDCG@10':>8} {'MRR':>6}")
    relevant = [{f"{gold['doc']}#{gold['page']}": 1.0 for gold in query["gold"]} for query in queries]
    for name, rankings in runs.items():
        pairs = list(zip(rankings, relevant, strict=True))
        figures = [[recall_at(1, *p), recall_at(5, *p), ndcg_at(10, *p), mrr(*p)] for p in pairs]
        print("{:24} {:6.3f} {:6.3f} {:8.3f} {:6.3f}".format(name, *np.mean(figures, axis=0)))


def replacement(pages: Mapping[str, PageInput], threads: int) -> np.ndarray:
    """The mean token vector of the corpus itself."""
    encoder = minilm(threads)
    texts = ["\n".join(line.text for line in page.lines or ()) for page in pages.values()]
    windows = [window for text in texts for window in builtin.windows_of(encoder.ids(text))]
    return np.concatenate(encoder.encode_windows(windows)).mean(axis=0)


class BM25:
    """Okapi BM25 over lower-case words; k1 = 1.2, b = 0.75."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.counts = [Counter(words(text)) for text in texts]
        self.lengths = np.array([sum(count.values()) for count in self.counts])
        self.documents = Counter(word for count in self.counts for word in count)

    def __call__(self, query: str) -> Scores:
        scores = np.zeros(len(self.counts))
        norm = 1.2 * (0.25 + 0.75 * self.lengths / max(1.0, self.lengths.mean()))
        for word in words(query):
            found = np.array([count[word] for count in self.counts])
            rarity = math.log(1 + (len(self.counts) - self.documents[word] + 0.5) / (self.documents[word] + 0.5))
            scores += rarity * found * 2.2 / (found + norm)
        return scores


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


if __name__ == "__main__":
    main()
