"""One store of everything: are photos found among texts without a filter, and do texts suffer from them?

    python -m benchmarks.mixed [DATA] [--store STORE]

The store holds CISI (1,459 abstracts), all of DATA/corpus (PDF, web pages, office files, mail, pictures) and the photos
of `gold/photos`. All five captions of each photo and the questions of CISI are asked without a filter. A photo is found
if its own row is among the first ten hits. What texts lose is the nDCG@10 of CISI against the same search with
`--modality text`. Ends with 1 if fewer than half of the captions find their photo or texts lose more than 2 %.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Gold, distinct, file_name, ingest, load_gold, search, summary, write_queries
from benchmarks.photos import DATA, NOT_FOUND, Photos, Ranks, line, read_photos

LEAST_FOUND, MOST_LOST = 0.5, 0.02
HITS = "30"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--store", type=Path, help="a store this benchmark made before, or where to make it")
    given = parser.parse_args()
    gold, photos = load_gold(given.data / "gold" / "text_cisi"), read_photos(given.data / "gold" / "photos")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        names = write_documents(gold, work / "cisi")
        store = given.store or work / "store"
        if not store.exists():
            print(ingest(store, work / "cisi", given.data / "corpus", photos.folder)["rows"], flush=True)
        found = find_photos(store, photos, work)
        ndcg = {name: find_texts(store, gold, names, work, *options) for name, options in WAYS.items()}
    lost = 1 - ndcg["no filter"] / ndcg["--modality text"]
    print(f"texts lose {lost:.1%}")
    if float(np.mean(found <= 10)) < LEAST_FOUND or lost > MOST_LOST:
        raise SystemExit("missed")


WAYS: Mapping[str, tuple[str, ...]] = {"--modality text": ("--modality", "text"), "no filter": ()}


def write_documents(gold: Gold, folder: Path) -> dict[str, str]:
    """The gold set's documents as text files; gives the document id of each file name."""
    folder.mkdir()
    names = {f"{number:05}.txt": id for number, id in enumerate(gold.documents)}
    for name, id in names.items():
        (folder / name).write_text(gold.documents[id], encoding="utf-8")
    return names


def find_photos(store: Path, photos: Photos, work: Path) -> Ranks:
    """The rank of each caption's own photo without a filter; with one it is printed too."""
    pairs = photos.pairs(None)
    queries = write_queries(work / "captions.jsonl", {str(i): text for i, (text, _) in enumerate(pairs)})
    for title, options in {"--modality image": ("--modality", "image"), "no filter": ()}.items():
        answers = search(store, queries, "-k", HITS, *options)
        found = np.array([rank_of(answers[str(i)], own) for i, (_, own) in enumerate(pairs)], np.int64)
        pictures = np.mean([hit["modality"] == "image" for hits in answers.values() for hit in hits[:10]])
        print(f"photos, {title:16} {line(found)}  pictures among the first ten {pictures:.0%}", flush=True)
    return found


def rank_of(hits: Iterable[Mapping[str, Any]], own: str) -> int:
    return next((hit["rank"] for hit in hits if hit["modality"] == "image" and file_name(hit) == own), NOT_FOUND)


def find_texts(store: Path, gold: Gold, names: Mapping[str, str], work: Path, *options: str) -> float:
    queries = write_queries(work / "questions.jsonl", gold.queries)
    answers = search(store, queries, "-k", HITS, *options)
    run = {id: distinct(names.get(file_name(hit), hit["source_uri"]) for hit in hits) for id, hits in answers.items()}
    figures = summary(run, gold.relevant)
    pictures = np.mean([hit["modality"] == "image" for hits in answers.values() for hit in hits[:10]])
    told = "  ".join(f"{name} {figure.value:.3f}" for name, figure in figures.items())
    print(
        f"texts, {' '.join(options) or 'no filter':17} {told}  pictures among the first ten {pictures:.1%}", flush=True
    )
    return figures["ndcg@10"].value


if __name__ == "__main__":
    main()
