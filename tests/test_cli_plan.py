"""`docmill plan`: what an ingest would do, told without a store, a lock or weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cli.main import run
from pipeline.config import Settings
from pipeline.ingest.manifest import read_manifest
from pipeline.ingest.open import models_of
from pipeline.ingest.recipes import recipes_of
from pipeline.sources.local import hash_file, revision_of, uri_of
from pipeline.store import Models, doc_id, open_store
from pipeline.types import DocumentRecord

KEYS = {"discovered", "new", "changed", "unchanged", "skipped", "quarantined", "retry", "gone", "stale", "documents",
        "pages", "seconds", "bytes", "sampled", "basis", "reasons", "warnings"}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "a.txt").write_text("the tide turns the wheel")
    (folder / "b.md").write_text("# Sluice\n\nThe gate leaks.")
    (folder / "empty.txt").write_text("")
    (folder / "alien.bin").write_bytes(bytes(range(256)) * 9)
    return folder


def plan(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, object]:
    code = run(["plan", *map(str, arguments), "--workers", "1", "--json"])
    assert code == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_without_a_store_everything_is_new(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts that add up, types and pages of what would be read, reasons of what would not; no store is made."""
    store = tmp_path / "store"
    found = plan(capsys, folder, "--store", store)

    assert set(found) == KEYS
    assert (found["discovered"], found["new"], found["skipped"]) == (4, 2, 2)
    assert found["documents"] == {"text/plain": 1, "text/markdown": 1}
    assert found["pages"] == {"text": 2, "image": 0, "page": 0, "both": 0}
    assert set(found["reasons"]) == {"empty file", "not a format docmill parses (application/octet-stream)"}
    assert (found["basis"], found["sampled"], store.exists()) == ("sample", 2, False)


def test_the_ledger_says_what_is_left_to_do(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unchanged, changed, tried again, left alone and gone; the store stays as it is, and its writer is not asked."""
    settings = Settings()
    unified, pages = models_of(settings)
    recipes = recipes_of(settings, unified, pages)
    store = open_store(str(tmp_path / "store"), create=Models(unified.id, pages.id))

    def record(path: Path, **values: object) -> DocumentRecord:
        known = DocumentRecord(uri_of(path), doc_id(uri_of(path)), "indexed", recipe=recipes.rows, media_type="t")
        if path.exists():
            known = replace(known, revision=revision_of(path), content_sha256=hash_file(path))
        return replace(known, **values)

    lost = tmp_path / "papers" / "lost.txt"
    failed = {"state": "quarantined", "recipe": recipes.attempt, "content_sha256": "x"}
    for name in ("c.txt", "d.txt"):
        (folder / name).write_text(name)
    records = [record(folder / "a.txt"), record(folder / "b.md", revision="", content_sha256="old"), record(lost)]
    records += [record(folder / "c.txt", **failed), record(folder / "d.txt", **failed, transient=True)]
    with store.writer():
        store.record(records)
        versions = store.status()["versions"]
        found = plan(capsys, folder, "--store", store.uri)

    names = ("unchanged", "changed", "quarantined", "retry", "gone", "new", "skipped")
    assert [found[name] for name in names] == [1, 1, 1, 1, 1, 0, 2]
    assert store.status()["versions"] == versions


def test_a_plan_can_be_frozen(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The manifest lists every source with its hash; a second plan of the same folder is the same but for its time."""
    out = tmp_path / "plan.jsonl"
    plan(capsys, folder, "--store", tmp_path / "store", "--out", out)
    manifest = read_manifest(out)
    entries = {entry.uri.rsplit("/", 1)[-1]: entry for entry in manifest.entries()}

    assert manifest.header.store == str(tmp_path / "store")
    assert entries["a.txt"].sha256 == hash_file(folder / "a.txt")
    assert (entries["a.txt"].action, entries["empty.txt"].skip) == ("new", "empty file")
    assert (entries["alien.bin"].action, entries["alien.bin"].skip) == ("skipped", None)


def test_people_get_a_small_table(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, pages and time, and that they are estimates."""
    run(["plan", str(folder), "--store", str(tmp_path / "store"), "--workers", "1"])
    shown = capsys.readouterr().out

    assert "2 new, 0 changed, 0 retry" in shown
    assert "from a sample of 2 documents" in shown
    assert "no past run tells of embedding" in shown


@pytest.mark.parametrize("arguments", [["none-such"], []])
def test_sources_that_are_not_there_are_bad_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As with an ingest."""
    assert run(["plan", *arguments]) == 2


def test_an_ingest_takes_sources_or_a_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither, both, patterns beside a manifest and a manifest that is none are bad usage, told in one line."""
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n")
    wrong = [[], ["x", "--manifest", "y"], ["--manifest", "y", "--exclude", "z"], ["--manifest", str(broken)]]

    assert [run(["ingest", "--store", str(tmp_path / "s"), *arguments]) for arguments in wrong] == [2, 2, 2, 2]
    assert "broken.jsonl line 1" in capsys.readouterr().err.splitlines()[-1]
