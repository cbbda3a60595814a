"""Does the best box of a page hit hold the answer? Scanned pages whose answers' places are known, by the real commands.

    python -m benchmarks.regions [DATA] [--keep FOLDER] [--pictures FOLDER]

Each line of `regions.jsonl` is a question, its page and words of its answer; where these stand is taken from the text
layer of the page before it is scanned (grey, 120 to 150 dpi, a little turned, noisy, JPEG), so that only OCR reads it.
Sets whose names end with 1 helped to choose the method, the others were held out. All pages are in one store. A box is
right if it covers at least half of the answer's words on one line.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pymupdf
from PIL import Image, ImageOps

from benchmarks.measure import docmill, file_name, ingest, search, write_queries
from benchmarks.page_sets import SEED, dense, photograph, print_page
from pipeline.types import Box

DATA = Path("../shared/data/dev")
PAIRS = Path(__file__).with_name("regions.jsonl")
COVERED = 0.5  # of the answer's words on one line
HELD_OUT = " 2"  # ends the names of sets that nobody looked at before the method was chosen
PICTURED = {  # question -> name of its picture
    "How many eels climbed past the mill in May?": "eels",
    "How much silt was taken out of the pond?": "silt",
    "When will the wheel have paid for itself?": "cost",
    "What does a family pay?": "price",
    "What should I do when the flour gets warm?": "flour",
}
WIDTH_PX, COLOURS, PAPER = 520, 64, 208  # of a picture, so that it stays below 150 kB; what is lighter becomes white
DEEP = 200  # hits of a question: every page of the store


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and where its answer stands on the scan of its page."""

    set: str
    page: str
    question: str
    answers: tuple[Box, ...]  # of the answer's words, one for each line they stand on, in page points
    height: float  # of the page, in points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--keep", type=Path, help="keep scans and store here, and use them if they are there")
    parser.add_argument("--pictures", type=Path, help="write what a search shows on five pages of sample_docs here")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "scans").mkdir(parents=True, exist_ok=True)
        pairs = make_pages(given.data, folder / "scans")
        print(f"{len(pairs)} pairs, {len({pair.page for pair in pairs})} pages")
        if not (folder / "store").is_dir():
            report = ingest(folder / "store", folder / "scans")
            print(f"ingested in {report['seconds']:.0f} s: {report['rows']['page']} page rows")
        report_on(pairs, locate(folder, pairs))
        if given.pictures:
            draw(folder / "store", [pair for pair in pairs if pair.question in PICTURED], given.pictures)


def make_pages(data: Path, scans: Path) -> list[Pair]:
    """The pairs; a scan of each of their pages that is not there yet is written as a PDF of one picture."""
    questions = _questions(data)
    printed = dense(data).printed
    pairs = []
    for entry in map(json.loads, PAIRS.read_text(encoding="utf-8").splitlines()):
        name = entry["page"]
        lot = random.Random(f"{SEED} {name}")
        file, _, number = name.partition("#")
        root = Path() if file.startswith("sample_docs") else data
        page = print_page((root / file, int(number)) if number else printed[name], lot)
        turned = _scan(page, scans / f"{Path(name).name}.pdf", lot)
        answers = tuple(_turn(box, page.rect, turned) for box in _by_line(page.search_for(entry["answer"])))
        if not answers:
            raise SystemExit(f"{name}: {entry['answer']!r} is not on the page")
        question = entry.get("question") or questions[entry["query"]]
        pairs.append(Pair(entry["set"], name, question, answers, page.rect.height))
    return pairs


def locate(folder: Path, pairs: Sequence[Pair]) -> list[list[dict[str, Any]]]:
    """The boxes of each pair's page, best first; none if the page was not found."""
    queries = write_queries(folder / "queries.jsonl", {str(i): pair.question for i, pair in enumerate(pairs)})
    found = search(folder / "store", queries, "--modality", "page", "-k", str(DEEP))
    return [
        next((hit["boxes"] for hit in found[str(i)] if file_name(hit) == f"{Path(pair.page).name}.pdf"), [])
        for i, pair in enumerate(pairs)
    ]


def report_on(pairs: Sequence[Pair], found: Sequence[list[dict[str, Any]]]) -> None:
    """A line for each set: pairs, share whose first box, and one of whose first three boxes, is right, box height."""
    rows: dict[str, list[tuple[bool, bool, float]]] = {}
    for pair, boxes in zip(pairs, found, strict=True):
        right = [is_right(box["bbox"], pair.answers) for box in boxes]
        height = (boxes[0]["bbox"][3] - boxes[0]["bbox"][1]) / pair.height if boxes else math.nan
        rows.setdefault(pair.set, []).append((any(right[:1]), any(right[:3]), height))
    held_out = [row for name, of_set in rows.items() if name.endswith(HELD_OUT) for row in of_set]
    for name, of_set in [*rows.items(), ("all that end with 2", held_out)]:
        first, three, heights = zip(*of_set, strict=True)
        height = fmean(value for value in heights if not math.isnan(value))
        print(f"{name:<22} {len(of_set):>3} pairs  first {fmean(first):.3f}  of three {fmean(three):.3f}"
              f"  height {height:.3f} of the page")  # fmt: skip


def draw(store: Path, pairs: Sequence[Pair], target: Path) -> None:
    """Each pair's page as `docmill search --save-pages` writes it, small and with few colours."""
    target.mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        with tempfile.TemporaryDirectory() as folder:
            options = ("--modality", "page", "-k", str(DEEP), "--store", str(store), "--json", "--save-pages", folder)
            (answer,) = map(json.loads, docmill("search", pair.question, *options))
            rank = next(hit["rank"] for hit in answer["hits"] if file_name(hit) == f"{Path(pair.page).name}.pdf")
            with Image.open(next(one["path"] for one in answer["saved"] if one["rank"] == rank)) as shown:
                small = shown.resize((WIDTH_PX, round(WIDTH_PX * shown.height / shown.width)), Image.Resampling.LANCZOS)
        clean = small.point(lambda level: 255 if level > PAPER else level)  # noise takes room
        _, top, _, bottom = ImageOps.invert(clean.convert("L")).getbbox() or (0, 0, *clean.size)
        shown = clean.crop((0, max(0, top - 20), clean.width, min(clean.height, bottom + 20)))
        shown.quantize(COLOURS, kmeans=3).save(target / f"where-{PICTURED[pair.question]}.png", optimize=True)


def is_right(box: Sequence[float], answers: Iterable[Box]) -> bool:
    """True if the box covers at least half of the answer's words on one line.

    >>> is_right((0, 0, 10, 10), [(8, 0, 12, 10)])
    True
    """
    return any(_common(box, answer) >= COVERED * _area(answer) for answer in answers)


def _common(one: Sequence[float], other: Sequence[float]) -> float:
    x0, y0, x1, y1 = (*map(max, one[:2], other[:2]), *map(min, one[2:], other[2:]))
    return max(0.0, x1 - x0) * max(0.0, y1 - y0)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _questions(data: Path) -> Mapping[str, str]:
    files = (data / "gold" / name / "queries.jsonl" for name in ("text_xquad", "page_retrieval"))
    return {entry["_id"]: entry["text"] for file in files for entry in map(json.loads, file.open(encoding="utf-8"))}


def _scan(page: pymupdf.Page, target: Path, lot: random.Random) -> float:
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "scan.jpg"
        turned = photograph(page, picture, lot)
        if not target.is_file():
            with pymupdf.open() as made:
                made.new_page(width=page.rect.width, height=page.rect.height).insert_image(page.rect, filename=picture)
                made.save(target, no_new_id=True)
    return turned


def _by_line(words: Iterable[pymupdf.Rect]) -> list[Box]:
    """One box for all words of a line: those of justified text are found one by one."""
    lines: dict[int, pymupdf.Rect] = {}
    for word in words:
        lines[round(word.y0)] = lines.get(round(word.y0), pymupdf.Rect()) | word
    return [tuple(line) for line in lines.values()]


def _turn(box: Box, page: pymupdf.Rect, degrees: float) -> Box:
    """The upright box around a box that is turned to the left around the middle of the page."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = (page.x0 + page.x1) / 2, (page.y0 + page.y1) / 2
    corners = [(a - x, b - y) for a in box[::2] for b in box[1::2]]
    turned = [(x + a * cos + b * sin, y - a * sin + b * cos) for a, b in corners]
    return (min(a for a, _ in turned), min(b for _, b in turned), max(a for a, _ in turned), max(b for _, b in turned))


if __name__ == "__main__":
    main()
