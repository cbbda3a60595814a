"""How well passages find documents: nDCG@10, recall@10 and MRR of `docmill ingest` and `docmill search` on a gold set.

    python -m benchmarks.text                                # CISI
    python -m benchmarks.text --set text_xquad --language en

Every document becomes a text file in a temporary folder; a document ranks where its best passage does.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from benchmarks.measure import Gold, distinct, docmill, load_gold, search, summary
from pipeline.evaluate.report import figure_text

DATA = Path("../shared/data/dev")
ROWS = (("all legs", ()), ("text (vectors)", ("--legs", "text")), ("bm25", ("--legs", "bm25")))
HITS = "100"
TARGETS = {"text_cisi": 0.47}  # least nDCG@10 of all legs together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--set", default="text_cisi", dest="name", help="folder below DATA/gold")
    parser.add_argument("--language", help="only documents and queries in it")
    parser.add_argument("--store", type=Path, help="a store this benchmark made before; nothing is ingested")
    given = parser.parse_args()
    gold = load_gold(given.data / "gold" / given.name, given.language)
    with tempfile.TemporaryDirectory() as folder:
        names, store = write_documents(gold, Path(folder) / "documents"), given.store or Path(folder) / "store"
        if given.store is None:
            ingest(Path(folder) / "documents", store)
        fused = measure(gold, names, store, Path(folder) / "queries.jsonl")
    if (target := TARGETS.get(given.name)) is not None and fused < target:
        raise SystemExit(f"nDCG@10 is {fused:.3f}, below {target}")


def write_documents(gold: Gold, folder: Path) -> dict[str, str]:
    """The gold set's documents as text files; gives the document id of each file name."""
    folder.mkdir()
    names = {f"{number:05}.txt": id for number, id in enumerate(gold.documents)}
    for name, id in names.items():
        (folder / name).write_text(gold.documents[id], encoding="utf-8")
    return names


def ingest(folder: Path, store: Path) -> None:
    started = time.perf_counter()
    *_, last = docmill("ingest", str(folder), "--store", str(store), "--json")
    report = json.loads(last)
    print(f"{report['indexed']} documents, {report['rows']['text']} passages, {time.perf_counter() - started:.0f} s")


def measure(gold: Gold, names: Mapping[str, str], store: Path, queries: Path) -> float:
    """Print a line for all legs and for each alone; gives nDCG@10 of all."""
    lines = (json.dumps({"id": id, "text": text}) for id, text in gold.queries.items())
    queries.write_text("\n".join(lines), encoding="utf-8")
    fused = 0.0
    for title, options in ROWS:
        started = time.perf_counter()
        answers = search(store, queries, "-k", HITS, *options)
        seconds = time.perf_counter() - started
        run = {query: distinct(names[_file_name(hit["source_uri"])] for hit in hits) for query, hits in answers.items()}
        figures = summary(run, gold.relevant)
        fused = fused or figures["ndcg@10"].value
        print(
            f"{title:15}", *(f"{name} {figure_text(figure)} " for name, figure in figures.items()), f"{seconds:.1f} s"
        )
    return fused


def _file_name(uri: str) -> str:
    return unquote(uri.rsplit("/", 1)[-1])


if __name__ == "__main__":
    main()
