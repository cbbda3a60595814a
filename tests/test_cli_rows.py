"""Promises of the commands that read the store: rows, status, quarantine."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from fakes import WordPages, WordUnified, word_vector

from cli.main import run
from pipeline.config import Settings
from pipeline.ingest.open import models_of
from pipeline.ingest.recipes import recipes_of
from pipeline.store import Models, RowFile, doc_id, open_store
from pipeline.types import DocumentRecord, Row

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
A, B = "file:///tmp/a.pdf", "file:///tmp/b's.md"
FAILED = DocumentRecord(
    "file:///tmp/x.pdf", "x", "quarantined", stage="parse", error="Unreadable", message="x.pdf: no objects", page=4,
    attempts=2, fingerprint="f00d", transient=False, first_seen=NOW, last_seen=NOW,
)  # fmt: skip
TWIN = DocumentRecord(
    "file:///tmp/y.pdf", "y", "quarantined", stage="parse", error="Unreadable", message="y.pdf: no objects",
    attempts=1, fingerprint="f00d",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> str:
    opened = open_store(str(tmp_path / "store"), create=Models(WordUnified.id, WordPages.id))
    records = [DocumentRecord(uri, doc_id(uri), "indexed", title="T", media_type="text/x") for uri in (A, B)]
    passages = [Row("text", n, f"part {n}", page=n + 1, headings=("H",), vector=word_vector("x")) for n in range(3)]
    with RowFile.create(tmp_path / "rows.arrow", opened.models) as file:
        file.add(records[1], passages[:1], NOW)
        file.add(records[0], passages, NOW)
    with opened.writer():
        opened.replace(RowFile.open(tmp_path / "rows.arrow"), [record.doc_id for record in records])
        opened.record([*records, FAILED, TWIN])
    return opened.uri


def test_rows_come_as_json_lines_in_document_order(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All documents by source, each in reading order, with the columns of the table but no vectors."""
    code = run(["rows", "--store", store, "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert code == 0
    assert [(row["source_uri"], row["text"]) for row in rows] == [(A, f"part {n}") for n in range(3)] + [(B, "part 0")]
    assert {"id", "source_uri", "modality", "page", "bbox", "text", "title", "headings", "token_count", "route",
            "route_reason", "media_type"} <= set(rows[0])  # fmt: skip
    assert rows[0]["ingested_at"] == "2026-01-02T00:00:00+00:00"
    assert not {"vector", "multivector"} & set(rows[0])


def test_rows_of_one_document(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--source-uri` takes the URI as it is, quotes too; an unknown one has no rows."""
    run(["rows", "--store", store, "--json", "--source-uri", B])
    run(["rows", "--store", store, "--json", "--source-uri", "file:///none"])
    (line,) = capsys.readouterr().out.splitlines()

    assert json.loads(line)["source_uri"] == B


def test_rows_for_people_are_one_line_each(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Modality, file, page and the beginning of the text."""
    run(["rows", "--store", store])

    assert capsys.readouterr().out.splitlines()[1] == "text  /tmp/a.pdf p. 2  part 1"


def test_status_counts(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows by modality, documents by state, and the models, for programs and for people."""
    run(["status", "--store", store, "--json"])
    found = json.loads(capsys.readouterr().out)
    run(["status", "--store", store])
    shown = capsys.readouterr().out

    assert found["rows"] == {"text": 4, "image": 0, "page": 0}
    assert (found["documents"], found["stale"]) == ({"indexed": 2, "quarantined": 2}, None)
    assert "4 text, 0 image, 0 page" in shown
    assert str(WordUnified.id) in shown


def test_status_tells_of_stale_documents(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the settings in force would make otherwise; null in a store of other models."""
    unified, pages = models_of(Settings())
    opened = open_store(str(tmp_path / "builtin"), create=Models(unified.id, pages.id))
    recipe = recipes_of(Settings(), unified, pages).rows
    with opened.writer():
        opened.record([DocumentRecord(uri, doc_id(uri), "indexed", recipe=recipe) for uri in (A, B)])
    answers = []
    for tokens in ("200", "100"):
        monkeypatch.setenv("DOCMILL_CHUNKS__TOKENS", tokens)
        code = run(["status", "--store", opened.uri, "--json"])
        answers.append((code, json.loads(capsys.readouterr().out)["stale"]))

    assert answers == [(0, 0), (0, 2)]


def test_quarantine_lists_what_failed(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--json: a list with the keys of the contract. For people: a line for each kind of failure, with an example."""
    run(["quarantine", "ls", "--store", store, "--json"])
    found = json.loads(capsys.readouterr().out)
    run(["quarantine", "ls", "--store", store])
    lines = capsys.readouterr().out.splitlines()

    assert found[0] == {
        "source_uri": "file:///tmp/x.pdf", "stage": "parse", "error": "Unreadable", "reason": "x.pdf: no objects",
        "page": 4, "attempts": 2, "fingerprint": "f00d",
    }  # fmt: skip
    assert lines[1].split()[:4] == ["2", "parse", "Unreadable", "/tmp/x.pdf"]


def test_quarantine_shows_one_document(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`show URI` gives all that is known; a URI that is not quarantined is an error that says where to look."""
    code = run(["quarantine", "show", FAILED.source_uri, "--store", store])
    shown = capsys.readouterr().out
    missing = run(["quarantine", "show", A, "--store", store])

    assert (code, missing) == (0, 2)
    assert "no objects" in shown
    assert "quarantine ls" in capsys.readouterr().err
