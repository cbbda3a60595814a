"""How well pages are found: recall@1, recall@5, nDCG@10 and MRR of `docmill ingest` and `docmill search`.

    python -m benchmarks.report_pages [DATA]

DATA holds `gold/page_retrieval/queries.jsonl` with {"_id", "text", "gold": [{"doc", "page"}]} lines and `docs/*.pdf`. A
page ranks where the first of its rows does, be it a passage, a picture or the page itself.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measure import Run, distinct, file_name, ingest, search, summary, write_queries
from pipeline.evaluate.report import figure_text

DATA = Path("../shared/data/dev")
HITS = "50"
SHOWN = ("recall@1", "recall@5", "ndcg@10", "mrr")
ROWS = (("all legs", ()), *((leg, ("--legs", leg)) for leg in ("bm25", "text", "page", "maxsim")))

Relevant = Mapping[str, Mapping[str, float]]  # query id -> "file#page" -> grade


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--store", type=Path, help="keep the table here, or use the one there")
    given = parser.parse_args()
    gold = given.data / "gold" / "page_retrieval"
    entries = [json.loads(text) for text in (gold / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    relevant = {entry["_id"]: {f"{page['doc']}#{page['page']}": 1.0 for page in entry["gold"]} for entry in entries}
    with tempfile.TemporaryDirectory() as folder:
        store = given.store or Path(folder) / "store"
        report = ingest(store, gold / "docs")
        print(f"{report['discovered']} documents, rows {report['rows']}, {report['seconds']:.0f} s")
        queries = write_queries(Path(folder) / "queries", {entry["_id"]: entry["text"] for entry in entries})
        print(f"{f'{len(entries)} questions':14}" + "".join(f"{name:>18}" for name in SHOWN))
        for title, options in ROWS:
            print_line(title, pages_of(search(store, queries, "-k", HITS, *options)), relevant)


def pages_of(answers: Mapping[str, list[dict[str, object]]]) -> Run:
    """The pages of each answer, best first, each once."""
    return {query: distinct(f"{file_name(hit)}#{hit['page']}" for hit in hits) for query, hits in answers.items()}


def print_line(title: str, run: Run, relevant: Relevant) -> None:
    found = summary(run, relevant)
    print(f"{title:14}" + "".join(f"{figure_text(found[name]):>18}" for name in SHOWN))


if __name__ == "__main__":
    main()
