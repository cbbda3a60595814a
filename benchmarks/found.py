"""docmill against `benchmarks/naive.py` and against BM25 alone, on the same files and questions, in one run.

    python -m benchmarks.found [DATA] [--keep FOLDER]           # CISI, XQuAD English, pages of FinanceBench
    python -m benchmarks.found [DATA] --languages               # XQuAD in five, unified = "builtin-multilingual"

nDCG@10 and recall@5 with 95 % intervals, and differences paired by question, by the code of `docmill evaluate`. Ends
with 1 if docmill's nDCG@10 is below its floor (`FLOORS`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.measure import docmill
from pipeline.config import Settings
from pipeline.evaluate import Query, judged, read_set
from pipeline.evaluate.beir import unpack
from pipeline.evaluate.figures import METRICS, Figure, Values, interval, of_query
from pipeline.evaluate.measure import ask, tabulate
from pipeline.evaluate.places import Place, Rows
from pipeline.evaluate.report import ALL_LEGS, figure_text, signed
from pipeline.ingest.open import models_of
from pipeline.search import Searcher
from pipeline.store import open_store

DATA = Path("../shared/data/dev")
SHOWN = ("ndcg@10", "recall@5")
LANGUAGES = ("ar", "de", "en", "es", "zh")
MULTILINGUAL = "builtin-multilingual"
FLOORS = {
    "text_cisi": 0.47,
    "text_xquad en": 0.95,
    "page_retrieval": 0.73,
    **{f"text_xquad {x}": 0.96 for x in LANGUAGES},
}


@dataclass(frozen=True, slots=True)
class Set:
    """Questions, and the folder of the documents that answer them."""

    name: str
    queries: Sequence[Query]
    documents: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--languages", action="store_true", help="XQuAD by language, with the multilingual model")
    parser.add_argument("--keep", type=Path, help="keep files and stores here, and use those that are there")
    parser.add_argument("--only", help="one set, by its name")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        sets = languages(given.data, folder) if given.languages else english(given.data, folder)
        missed = [line for one in sets if given.only in (None, one.name) for line in run(one, folder, given.languages)]
    if missed:
        raise SystemExit("\n".join(missed))


def english(data: Path, folder: Path) -> list[Set]:
    gold = data / "gold"
    pages = gold / "page_retrieval"
    cisi = folder / "files" / "cisi"
    if not cisi.exists():
        unpack(gold / "text_cisi", cisi)
    queries = [read_page_query(line) for line in (pages / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        Set("text_cisi", read_set(gold / "text_cisi").queries, cisi),
        xquad(data, folder, "en"),
        Set("page_retrieval", queries, pages / "docs"),
    ]


def languages(data: Path, folder: Path) -> list[Set]:
    return [xquad(data, folder, language) for language in LANGUAGES]


def xquad(data: Path, folder: Path, language: str) -> Set:
    """Paragraphs and questions of one language."""
    gold, all_files = data / "gold" / "text_xquad", folder / "files" / "xquad"
    if not all_files.exists():
        unpack(gold, all_files)
    own = folder / "files" / f"xquad_{language}"
    own.mkdir(parents=True, exist_ok=True)
    for file in all_files.glob(f"{language}-*.txt"):
        (own / file.name).write_bytes(file.read_bytes())
    queries = [query for query in read_set(gold).queries if query.id.startswith(f"{language}-")]
    return Set(f"text_xquad {language}", queries, own)


def read_page_query(line: str) -> Query:
    value = json.loads(line)
    return Query(value["_id"], value["text"], {f"{page['doc']}#{page['page']}": 1.0 for page in value["gold"]})


def run(one: Set, folder: Path, multilingual: bool, with_naive: bool = True) -> list[str]:
    """Print a table; give a line for a floor that was missed."""
    unified = MULTILINGUAL if multilingual else "builtin"
    store = folder / f"store {one.name}{' multilingual' * multilingual}"
    if not store.exists():
        config = folder / f"{unified}.toml"
        config.write_text(f'unified = "{unified}"\n', encoding="utf-8")
        *_, last = docmill("ingest", str(one.documents), "--store", str(store), "--config", str(config), "--json")
        report = json.loads(last)
        print(f"{one.name}: {report['discovered']} documents, rows {report['rows']}, {report['seconds']:.0f} s")
    values = by_leg(one, store, unified)
    if with_naive and not multilingual:
        values["naive"] = naive(one, store)
    print(f"\n{one.name}, {len(one.queries)} questions{'':12}" + "".join(f"{name:>18}" for name in SHOWN))
    for name, found in values.items():
        print(f"{name:32}" + "".join(f"{figure_text(figure(found, metric)):>18}" for metric in SHOWN))
    for other in ("naive", "bm25"):
        if other in values:
            less = values[ALL_LEGS] - values[other]
            told = "".join(f"{metric} {signed(figure(less, metric))}   " for metric in SHOWN)
            print(f"{ALL_LEGS} less {other}: {told}")
    reached = figure(values[ALL_LEGS], "ndcg@10").value
    floor = FLOORS.get(one.name, 0.0)
    return [f"{one.name}: nDCG@10 is {reached:.3f}, below {floor}"] if reached < floor else []


def by_leg(one: Set, store: Path, unified: str) -> dict[str, Values]:
    """(questions, metrics) of all legs of docmill, and of each."""
    settings = Settings(store=str(store), unified=unified)
    opened = open_store(str(store))
    searcher = Searcher(opened, *models_of(settings), settings.search)
    table = tabulate(searcher, ask(searcher, judged(opened, one.queries)), Rows(opened))
    first = next(iter(table.values))[0]  # rows of any kind, or of the only one there is
    return {leg: np.array(found) for (to, leg), found in table.values.items() if to == first}


def naive(one: Set, store: Path) -> Values:
    """The same of the other system."""
    from benchmarks.naive import Index  # with libraries that docmill's own figures need not

    started = time.perf_counter()
    index = Index(sorted(one.documents.iterdir()))
    print(f"naive: {len(index.places)} chunks, {time.perf_counter() - started:.0f} s")
    opened = open_store(str(store))
    uris = {held.source_uri.rsplit("/", 1)[-1]: held.source_uri for held in opened.documents_held().values()}
    found = []
    for query in judged(opened, one.queries):
        places = [Place(uris[name], page) for name, page in index.search(query.query.text) if name in uris]
        found.append(of_query(query.units(places), query.relevant))
    return np.array(found)


def figure(values: Values, metric: str) -> Figure:
    column = values[:, [METRICS.index(metric)]]
    low, high = interval(column)
    return Figure(float(column.mean()), float(low[0]), float(high[0]))


if __name__ == "__main__":
    main()
