"""Manifests: a frozen plan is read whole or not at all, and executed to the letter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from corpus import NOW, Corpus, carry_out

from pipeline.errors import UsageError
from pipeline.ingest.accounts import Summary
from pipeline.ingest.manifest import Entry, Header, Manifest, read_manifest, store_name, writing
from pipeline.sources.local import uri_of


def entry(path: Path, action: str = "new") -> Entry:
    return Entry(uri_of(path), action, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


def frozen(corpus: Corpus, entries: Sequence[Entry]) -> Path:
    path = corpus.tmp_path / "plan.jsonl"
    header = Header(NOW.isoformat(), ["corpus"], str(corpus.store_path), "r", [uri_of(corpus.folder, folder=True)])
    with writing(path) as writer:
        for one in entries:
            writer.add(one)
        writer.finish(header, {"new": len(entries)})
    return path


def execute(corpus: Corpus, manifest: Manifest, *, allow_mass_delete: bool = False) -> Summary:
    store = corpus.store()
    run = corpus.open(store, run_id="m")
    with store.writer():
        try:
            return carry_out(run, run.plan([], manifest=manifest, allow_mass_delete=allow_mass_delete))
        finally:
            run.close()


def test_only_the_listed_documents_are_ingested(corpus: Corpus) -> None:
    """What came into the folder later is left alone, and the books are those of the manifest."""
    paths = [corpus.write("a.txt", "one"), corpus.write("b.txt", "two")]
    manifest = read_manifest(frozen(corpus, [entry(path) for path in paths]))
    corpus.write("later.txt", "three")
    summary = execute(corpus, manifest)

    assert (summary.discovered, summary.indexed) == (2, 2)
    assert sorted(corpus.texts()) == ["a.txt", "b.txt"]


def test_a_file_that_changed_or_went_is_refused(corpus: Corpus) -> None:
    """It ends in quarantine, to be tried by the next run; the old rows stay, the new text is never taken."""
    known, gone = corpus.write("a.txt", "old"), corpus.write("b.txt", "gone")
    corpus.ingest(str(known))
    manifest = read_manifest(frozen(corpus, [entry(known, "unchanged"), entry(gone)]))
    known.write_text("new")
    gone.unlink()
    summary = execute(corpus, manifest)
    records = list(corpus.store().documents(state="quarantined"))

    assert (summary.discovered, summary.quarantined) == (2, 2)
    assert all("changed since the plan was made" in r.message and r.transient and r.stage == "fetch" for r in records)
    assert corpus.texts() == {"a.txt": ["old"]}
    assert corpus.ingest("corpus/a.txt").indexed == 1


def test_a_manifest_executed_twice_changes_nothing(corpus: Corpus) -> None:
    """The second time all is unchanged, and nothing is embedded."""
    manifest = read_manifest(frozen(corpus, [entry(corpus.write("a.txt", "one"))]))
    first = execute(corpus, manifest)
    corpus.unified.embedded.clear()
    second = execute(corpus, manifest)

    assert (second.unchanged, second.table_version, corpus.unified.embedded) == (1, first.table_version, [])


def test_listed_deletions_are_executed_and_guarded(corpus: Corpus) -> None:
    """What the plan says is gone goes, but most of a folder only with the flag; what is there again stays."""
    paths = [corpus.write(f"{n}.txt", f"text {n}") for n in range(3)]
    corpus.ingest()
    for path in paths[:2]:
        path.unlink()
    gone = [Entry(uri_of(path), "gone") for path in paths]
    manifest = read_manifest(frozen(corpus, gone))
    paths[1].write_text("back")

    assert execute(corpus, manifest, allow_mass_delete=True).deleted == 1
    assert sorted(corpus.texts()) == ["1.txt", "2.txt"]


def test_too_many_deletions_need_the_flag(corpus: Corpus) -> None:
    """A manifest that would empty a folder is stopped before anything is deleted."""
    paths = [corpus.write(f"{n}.txt", f"text {n}") for n in range(3)]
    corpus.ingest()
    manifest = read_manifest(frozen(corpus, [Entry(uri_of(path), "gone") for path in paths]))
    for path in paths:
        path.unlink()
    with pytest.raises(UsageError, match="--allow-mass-delete"):
        execute(corpus, manifest)

    assert len(corpus.texts()) == 3


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: lines[:-1], "line 2: ends after 1 of 2 documents"),
        (lambda lines: [*lines[:-1], lines[-1][:20]], "line 3: not a line of a manifest"),
        (lambda lines: [*lines[:2], lines[1]], "line 3: .* is there twice"),
        (lambda lines: lines[1:], "line 1: not a line of a manifest"),
        (lambda lines: [], "line 1: not a line of a manifest"),
        (lambda lines: [lines[0].replace('"version": 1', '"version": 9'), *lines[1:]], "line 1: version 9"),
        (lambda lines: [*lines[:2], lines[2].replace("file:", "ftp:")], "line 3: .* no file of this machine"),
    ],
)
def test_a_broken_manifest_is_refused_by_its_line(corpus: Corpus, spoil: object, message: str) -> None:
    """Cut short, damaged, doubled or foreign: one line says where."""
    path = frozen(corpus, [entry(corpus.write("a.txt", "one")), entry(corpus.write("b.txt", "two"))])
    path.write_text("\n".join(spoil(path.read_text().splitlines())))  # type: ignore[operator]

    with pytest.raises(UsageError, match=message):
        read_manifest(path)


def test_a_manifest_belongs_to_one_store_and_recipe(corpus: Corpus) -> None:
    """Another store or other settings are refused; the same store under another name is not."""
    manifest = read_manifest(frozen(corpus, [entry(corpus.write("a.txt", "one"))]))
    manifest.check(store_name(f"file://{corpus.store_path}"), "r")

    with pytest.raises(UsageError, match="for the store"):
        manifest.check(store_name("s3://bucket/x"), "r")
    with pytest.raises(UsageError, match="other settings"):
        manifest.check(str(corpus.store_path), "other")


def test_a_manifest_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """A plan that stops halfway leaves the earlier file as it was, and no other file behind."""
    path = tmp_path / "plan.jsonl"
    path.write_text("earlier")

    def stops() -> None:
        with writing(path) as writer:
            writer.add(Entry("file:///a", "new"))
            raise UsageError("stopped")

    with pytest.raises(UsageError, match="stopped"):
        stops()
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UsageError, match="cannot be written"), writing(tmp_path / "none" / "plan.jsonl"):
        pass


def test_the_lines_of_a_manifest_are_plain_json(corpus: Corpus) -> None:
    """A program can read it: a header with counts, then a document a line."""
    lines = frozen(corpus, [entry(corpus.write("été.txt", "one"))]).read_text().splitlines()
    header, document = map(json.loads, lines)

    assert (header["version"], header["documents"], header["counts"]) == (1, 1, {"new": 1})
    assert set(document) == {"uri", "action", "sha256", "size", "revision", "skip"}
