"""Gold sets and the real command line, for the benchmarks that measure docmill from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from pipeline.evaluate.figures import Figure, figures, of_query

Run = Mapping[str, Sequence[str]]  # query id -> ids, best first


@dataclass(frozen=True, slots=True)
class Gold:
    """A text retrieval set: documents by id, queries by id, and for each query its relevant documents' grades."""

    documents: Mapping[str, str]
    queries: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, float]]


def load_gold(folder: Path, language: str | None = None) -> Gold:
    """`corpus.jsonl`, `queries.jsonl` and `qrels.tsv`; with `language` only the lines that have it as `lang`."""
    documents = {line["_id"]: _text(line) for line in _lines(folder / "corpus.jsonl", language)}
    queries = {line["_id"]: line["text"] for line in _lines(folder / "queries.jsonl", language)}
    relevant: dict[str, dict[str, float]] = {}
    for judgement in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = judgement.split("\t")
        if query in queries and float(grade) > 0:
            relevant.setdefault(query, {})[document] = float(grade)
    return Gold(documents, {id: text for id, text in queries.items() if id in relevant}, relevant)


def docmill(*arguments: str) -> Iterator[str]:
    """Run the command line and give its output line by line; exit codes 0 and 3 (some quarantined) are fine."""
    command = [sys.executable, "-m", "cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        yield from process.stdout
    if process.returncode not in (0, 3):
        raise SystemExit(f"docmill {arguments[0]} ended with {process.returncode}")


def ingest(store: Path, *sources: Path | str) -> dict[str, Any]:
    """The report of one `docmill ingest`; options may stand among the sources."""
    *_, last = docmill("ingest", *map(str, sources), "--store", str(store), "--json")
    report: dict[str, Any] = json.loads(last)
    return report


def write_queries(path: Path, queries: Mapping[str, str]) -> Path:
    """A file for `search`: text by query id; gives its path."""
    path.write_text("\n".join(json.dumps({"id": id, "text": text}) for id, text in queries.items()), encoding="utf-8")
    return path


def file_name(hit: Mapping[str, Any]) -> str:
    return unquote(hit["source_uri"].rsplit("/", 1)[-1])


def search(store: Path, queries: Path, *options: str) -> dict[str, list[dict[str, Any]]]:
    """Hits by query id of one `docmill search --batch`."""
    lines = docmill("search", "--batch", str(queries), "--store", str(store), "--json", *options)
    return {answer["id"]: answer["hits"] for answer in map(json.loads, lines)}


def distinct(ids: Iterable[str]) -> list[str]:
    """Each id at its first place: a document stands where its best passage does.

    >>> distinct(["a", "b", "a"])
    ['a', 'b']
    """
    return list(dict.fromkeys(ids))


def summary(run: Run, relevant: Mapping[str, Mapping[str, float]]) -> dict[str, Figure]:
    """Means over all judged queries, as `docmill evaluate` counts them; a query without an answer counts as 0."""
    return figures(np.array([of_query(run.get(query, ()), grades) for query, grades in relevant.items()]))


def _lines(path: Path, language: str | None) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if language is None or line.get("lang") == language:
                yield line


def _text(line: Mapping[str, str]) -> str:
    return f"{line['title']}\n\n{line['text']}" if line.get("title") else line["text"]
