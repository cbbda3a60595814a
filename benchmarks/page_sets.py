"""Sets of scanned pages with questions and known answers, and what OCR reads on them (kept as JSON: it takes long).

`finance`: pages of PDFs as pictures. `abstracts`: one abstract a page. `dense`: full pages of six paragraphs or so, one
of them the answer to a question (English, German, Spanish), the others abstracts. Nothing here knows of models.
"""

from __future__ import annotations

import html
import json
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pymupdf
from PIL import Image

from benchmarks.measure import load_gold
from pipeline.embed.ocr import Ocr

SEED = 7
A4 = (595.0, 842.0)
FINANCE_PAGES, ABSTRACT_PAGES = 120, 250
RELEVANT_KEPT = 14  # of one abstract question: the set has up to 144 of them
DENSE_WORDS = 540  # on a dense page: 600 to 900 tokens
LANGUAGES = ("en", "de", "es")


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions by id, and the grades of the pages that answer them, by page id; `among` these pages, "" is all."""

    texts: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, float]]
    among: str = ""  # how the ids of the pages begin: the same paragraph in another language is no wrong answer


@dataclass(frozen=True, slots=True)
class PageSet:
    """How the pages are printed: `pdf` and number of the page in it, or the paragraphs that stand on it."""

    name: str
    printed: Mapping[str, tuple[Path, int] | Sequence[str]]
    questions: Mapping[str, Questions]  # by group


def finance(data: Path) -> PageSet:
    """All pages that answer a question, and others by lot."""
    folder = data / "gold" / "page_retrieval"
    entries = [json.loads(line) for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    relevant = {entry["_id"]: {f"{gold['doc']}#{gold['page']}": 1.0 for gold in entry["gold"]} for entry in entries}
    kept = {id for pages in relevant.values() for id in pages}
    every = [
        f"{path.name}#{number}"
        for path in sorted((folder / "docs").glob("*.pdf"))
        for number in range(1, len(pymupdf.open(path)) + 1)
    ]
    others = [id for id in every if id not in kept]
    random.Random(SEED).shuffle(others)
    kept.update(others[: FINANCE_PAGES - len(kept)])
    where = {id: (folder / "docs" / id.rpartition("#")[0], int(id.rpartition("#")[2])) for id in every if id in kept}
    texts = {entry["_id"]: entry["text"] for entry in entries}
    return PageSet("finance", where, {"finance": Questions(texts, relevant)})


def abstracts(data: Path) -> PageSet:
    """Some relevant abstracts of each question (the others are left out of the set), and others by lot."""
    gold = load_gold(data / "gold" / "text_cisi")
    lot = random.Random(SEED)
    relevant = {
        query: {id: grades[id] for id in lot.sample(sorted(grades), min(RELEVANT_KEPT, len(grades)))}
        for query, grades in gold.relevant.items()
    }
    kept = {id for grades in relevant.values() for id in grades}
    judged = {id for grades in gold.relevant.values() for id in grades}
    relevant = {query: {id: gold.relevant[query][id] for id in kept & set(gold.relevant[query])} for query in relevant}
    others = sorted(set(gold.documents) - judged)
    ids = sorted(kept | set(lot.sample(others, ABSTRACT_PAGES - len(kept))))
    return PageSet(
        "abstracts", {id: [gold.documents[id]] for id in ids}, {"abstracts": Questions(gold.queries, relevant)}
    )


def dense(data: Path) -> PageSet:
    """Each paragraph of XQuAD on a page of its own among abstracts; a page's grade is how many answers stand on it."""
    gold = load_gold(data / "gold" / "text_cisi")
    lot = random.Random(SEED)
    fillers = sorted(gold.documents)
    lot.shuffle(fillers)
    printed: dict[str, list[str]] = {}
    homes: dict[str, str] = {}
    questions: dict[str, Questions] = {}
    for language in LANGUAGES:
        asked = load_gold(data / "gold" / "text_xquad", language)
        questions[f"dense {language}"] = Questions(asked.queries, asked.relevant, f"{language}-")
        for id, text in asked.documents.items():
            page = [text]
            while fillers and sum(len(words.split()) for words in page) < DENSE_WORDS - 60:
                homes[fillers[-1]] = id
                page.append(gold.documents[fillers.pop()])
            lot.shuffle(page)
            printed[id] = page
    relevant: dict[str, dict[str, float]] = {}
    for query, grades in gold.relevant.items():
        for id in grades:
            if id in homes:
                pages = relevant.setdefault(query, {})
                pages[homes[id]] = pages.get(homes[id], 0.0) + 1
    questions["dense abstracts"] = Questions({query: gold.queries[query] for query in relevant}, relevant)
    return PageSet("dense", printed, questions)


SETS = {"finance": finance, "abstracts": abstracts, "dense": dense}


def read_all(pages: PageSet, cache: Path, threads: int) -> dict[str, list[str]]:
    """The lines OCR finds on each page; pages that `cache` (JSON lines) does not hold yet are printed and read."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.touch()
    known = {entry["id"]: entry["lines"] for entry in map(json.loads, cache.read_text(encoding="utf-8").splitlines())}
    ocr = Ocr(threads=threads)
    with tempfile.TemporaryDirectory() as folder, cache.open("a", encoding="utf-8") as kept:
        picture = Path(folder) / "page.jpg"
        for id in (id for id in pages.printed if id not in known):
            width, height = scan(pages.printed[id], picture, random.Random(f"{SEED} {id}"))
            lines = ocr.read(picture, width, height).lines
            known[id] = [line.text for line in lines]
            boxes = [[*(round(side, 1) for side in line.bbox), round(line.confidence, 3)] for line in lines]
            kept.write(json.dumps({"id": id, "size": [width, height], "lines": known[id], "boxes": boxes}) + "\n")
            kept.flush()
    return {id: known[id] for id in pages.printed}


def printed_lines(pages: PageSet) -> dict[str, list[str]]:
    """The lines of each page as they are printed: what OCR without a mistake would read."""
    found = {}
    for id, printed in pages.printed.items():
        by_pdf = isinstance(printed, tuple)
        text = pymupdf.open(printed[0])[printed[1] - 1].get_text() if by_pdf else "\n".join(printed)
        found[id] = [line for line in text.split("\n") if line.strip()]
    return found


def scan(printed: tuple[Path, int] | Sequence[str], picture: Path, lot: random.Random) -> tuple[float, float]:
    """Print a page and scan it as an office does: grey, 120-150 dpi, a little turned, noisy, JPEG. Size in points."""
    page = print_page(printed, lot)
    photograph(page, picture, lot)
    return page.rect.width, page.rect.height


def print_page(printed: tuple[Path, int] | Sequence[str], lot: random.Random) -> pymupdf.Page:
    """A page of a PDF, or paragraphs on an A4 page of their own."""
    return pymupdf.open(printed[0])[printed[1] - 1] if isinstance(printed, tuple) else _print(printed, lot)


def photograph(page: pymupdf.Page, picture: Path, lot: random.Random) -> float:
    """Write the scan of a page; gives by how many degrees it lies turned to the left around its middle."""
    pixels = page.get_pixmap(dpi=lot.randint(120, 150), colorspace=pymupdf.csGRAY)
    grey = Image.frombytes("L", (pixels.width, pixels.height), pixels.samples)
    turned = lot.uniform(-0.7, 0.7)
    grey = grey.rotate(turned, Image.Resampling.BICUBIC, fillcolor=255)
    noise = np.random.default_rng(lot.randrange(2**32)).normal(0, 9, (grey.height, grey.width))
    noisy = np.clip(np.asarray(grey, np.float32) * 0.88 + 20 + noise, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(picture, quality=lot.randint(45, 75))
    return turned


def _print(paragraphs: Iterable[str], lot: random.Random) -> pymupdf.Page:
    """An A4 page: a title is a line of its own above its paragraph."""
    page = pymupdf.open().new_page(width=A4[0], height=A4[1])
    body = "".join(f"<p>{_html(text)}</p>" for text in paragraphs)
    style = f"* {{font-family: {lot.choice(('serif', 'sans-serif'))}; font-size: {lot.choice((10, 11))}pt}}"
    page.insert_htmlbox((56, 56, A4[0] - 56, A4[1] - 56), body, css=style, scale_low=0.6)
    return page


def _html(text: str) -> str:
    title, between, words = text.partition("\n\n")
    return f"<b>{html.escape(title)}</b><br>{html.escape(words)}" if between else html.escape(text)


def _progress(names: Sequence[str], data: Path, cache: Path) -> Iterator[str]:
    for name in names:
        yield f"{name}: {len(read_all(SETS[name](data), cache / f'{name}.jsonl', 2))} pages"


if __name__ == "__main__":  # python -m benchmarks.page_sets DATA CACHE: only OCR, which can be left to run alone
    for line in _progress(list(SETS), Path(sys.argv[1]), Path(sys.argv[2])):
        print(line, flush=True)
