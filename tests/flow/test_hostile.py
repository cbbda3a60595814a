"""Bombs and damaged files through the real command: each is accounted for, within the limits on memory and time."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from bombs import BOMBS
from command import COMMAND, ROOT
from mutate import mutated

from pipeline.store import Store, open_store
from pipeline.types import DocumentRecord

sys.path.insert(0, str(ROOT))
from benchmarks.process_tree import Measured, measure

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings

DEV = ROOT / "../shared/data/dev"
SAMPLES = ROOT / "sample_docs"
DOCUMENT_S, PAGE_S, MEMORY_MB = 60, 20, 1536
MOST_MB = MEMORY_MB + 1024  # of the whole tree, with one parse worker
SETTINGS = {
    "DOCMILL_WORKERS": "1",
    "DOCMILL_LIMITS__DOCUMENT_S": str(DOCUMENT_S),
    "DOCMILL_LIMITS__PAGE_S": str(PAGE_S),
    "DOCMILL_LIMITS__MEMORY_MB": str(MEMORY_MB),
    "DOCMILL_LIMITS__TEXT_MB": "1",
    "DOCMILL_LIMITS__PICTURES": "50",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),
}
NAMED = ("nested.docx", "100000-pages.pdf", "pixels.png", "nested.eml", "frames.gif")
SAYS = {  # what the ledger says of a bomb: its reason, or its warning
    "nested.docx": "limits.archive_ratio",
    "ratio.docx": "limits.archive_ratio",
    "huge-xml.docx": "limits.archive_mb",
    "zeros.docx": "limits.archive_mb",
    "within-ratio.docx": "limits.memory_mb",
    "many-members.docx": "limits.archive_members",
    "deep.docx": "Excessive depth",
    "shared-string.xlsx": "limits.text_mb",
    "strings.xlsx": "limits.archive_ratio",
    "deep.odt": "Excessive depth",
    "100000-pages.pdf": "limits.pages",
    "tree-loop.pdf": "not a readable PDF",
    "letters.pdf": "limits.",
    "operators.pdf": "limits.page_s",
    "forms.pdf": "limits.page_s",
    "picture.pdf": "limits.picture_mpx",
    "bad-pages.pdf": "limits.page_s",
    "pixels.png": "limits.picture_mpx",
    "frames.tif": "limits.",
    "many-frames.tif": "limits.pages",
    "nested-parts.eml": "nests mails in mails",
    "attachments.eml": "limits.attachments",
    "data-uri.html": "limits.text_mb",
    "spans.html": "limits.text_mb",
    "line.txt": "limits.text_mb",
    "word.txt": "limits.text_mb",
    "row.csv": "limits.text_mb",
    "sparse.txt": "limits.file_mb",
    "deep.svg": "not a format",
}
KEPT = {  # words behind the bomb that must be found all the same
    "deep.html": "The tide turns",
    "deep-unknown.html": "The tide turns",
    "svg.html": "The harbour ledger",
    "traversal.odt": "The harbour ledger",
    "laughs.epub": "A good joke",
    "brackets.md": "The tide turns the wheel",
    "picture.pdf": "The tide turns the wheel",
    "uncounted-pages.pdf": "The tide turns the wheel",
    "huge-page.pdf": "The tide turns the wheel",
    "nested.eml": "depth 0",
    "headers.eml": "The tide turns",
    "deep.rtf": "The tide turns",
    "dimension.xlsx": "mill 1048576",
}
OVER = ("page_s", "memory_mb", "picture_mpx")
READ_AS_THEY_ARE = {"frames.gif", "deflate.pdf", "padding.csv", "tables.html"}  # no words to look for, no limit to name
KINDS = {".docx", ".eml", ".html", ".md", ".pdf", ".png", ".pptx", ".tiff", ".txt", ".xlsx"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run over a folder and a second one, what they printed last, and the ledger by the names of the files."""

    run: Measured
    first: Mapping[str, Any]
    again: Mapping[str, Any]
    failed: Sequence[Mapping[str, Any]]
    records: Mapping[str, DocumentRecord]
    store: Store

    def said(self, name: str) -> str:
        """Why a document is not in the table, or what is missing from it."""
        record = self.records[name]
        return " ".join([record.message, *record.warnings])

    def text(self, name: str) -> str:
        return "\n".join(row["text"] for row in self.store.rows(self.records[name].source_uri))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


def ingest(folder: Path, server: str, timeout_s: float) -> Outcome:
    store = folder.parent / "store"
    environment = SETTINGS | {"PREFECT_API_URL": server, "DOCMILL_STORE": str(store)}
    command = (*COMMAND, "ingest", str(folder), "--json")
    run, again = measure(command, environment, timeout_s), measure(command, environment, timeout_s)
    failed = json.loads(measure([*COMMAND, "quarantine", "ls", "--json"], environment).output)
    assert {run.code, again.code} <= {0, 3}, run.output
    opened = open_store(str(store))
    records = {unquote(record.source_uri).rpartition("/")[2]: record for record in opened.documents()}
    first, second = (json.loads(one.output.splitlines()[-1]) for one in (run, again))
    return Outcome(run, first, second, failed, records, opened)


def check(outcome: Outcome, files: int) -> None:
    """What must hold of any folder."""
    first, again = outcome.first, outcome.again
    assert first["discovered"] == again["discovered"] == files
    assert files == sum(first[name] for name in ("indexed", "unchanged", "skipped", "quarantined"))
    assert all(one["stage"] and one["error"] and one["reason"] for one in outcome.failed)
    assert "ParserBug" not in {one["error"] for one in outcome.failed}
    assert (again["indexed"], again["deleted"], again["rows"]) == (0, 0, first["rows"])
    assert (again["quarantined"], again["table_version"]) == (first["quarantined"], first["table_version"])
    assert (outcome.run.pss_mb or outcome.run.rss_mb) < MOST_MB
    assert max(record.seconds for record in outcome.records.values()) < DOCUMENT_S + 10


def write_bombs(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        BOMBS[name](folder / name)


def test_the_usual_bombs_and_damage(folder: Path, server: str) -> None:
    """Five well-known bombs and thirty damaged files cost nothing but themselves."""
    write_bombs(folder, NAMED)
    copies = [*mutated([path for path in SAMPLES.iterdir() if path.suffix in KINDS], folder, 30, seed=7)]
    outcome = ingest(folder, server, timeout_s=120)

    check(outcome, len(NAMED) + len(copies))
    assert [name for name in NAMED if SAYS.get(name, "") not in outcome.said(name)] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_bomb(folder: Path, server: str) -> None:
    """Each is stopped by the limit that is meant for it, or read; what is beside the bomb in a file is kept."""
    write_bombs(folder, BOMBS)
    outcome = ingest(folder, server, timeout_s=1200)

    check(outcome, len(BOMBS))
    assert {name: outcome.said(name) for name, words in SAYS.items() if words not in outcome.said(name)} == {}
    assert [name for name, words in KEPT.items() if words not in outcome.text(name)] == []
    assert set(BOMBS) - set(SAYS) - set(KEPT) == READ_AS_THEY_ARE


@pytest.mark.slow
def test_bad_pages_cost_themselves(folder: Path, server: str) -> None:
    """A page that takes too long, one that takes too much memory and one with too large a picture: the document is
    indexed with its good pages, and says which are missing and why."""
    write_bombs(folder, ["bad-pages.pdf"])
    outcome = ingest(folder, server, timeout_s=300)
    record = outcome.records["bad-pages.pdf"]
    rows = outcome.store.rows(record.source_uri)

    check(outcome, 1)
    assert record.state == "indexed"
    assert {row["page"] for row in rows if "tide turns" in row["text"]} == {1, 4, 5}
    assert [warning.split(":")[0] for warning in record.warnings] == ["page 2", "page 3", "page 4"]
    assert [f"limits.{name}" in warning for name, warning in zip(OVER, record.warnings, strict=True)] == [True] * 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not DEV.is_dir(), reason="needs the development data")
def test_hostile_and_mutated_files(folder: Path, server: str) -> None:
    """All hostile files of the development data and 300 damaged copies of good ones."""
    shutil.copytree(DEV / "hostile", folder, dirs_exist_ok=True)
    hostile = len(list(folder.iterdir()))
    sources = [path for path in (DEV / "corpus").rglob("*") if path.is_file() and path.stat().st_size < 2_000_000]
    copies = [*mutated(sources, folder, 300, seed=1)]
    outcome = ingest(folder, server, timeout_s=1200)

    check(outcome, hostile + len(copies))
