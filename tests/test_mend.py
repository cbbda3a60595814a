"""The books: mended after a run that was cut short, and a run that fails when they do not balance."""

from __future__ import annotations

import os
from pathlib import Path

import lancedb
import pytest
from corpus import Corpus

from pipeline.errors import AccountingError


class Killed(Exception):
    """What ends a run where a kill would."""


def write_rows_and_die(corpus: Corpus) -> None:
    """A run that ends between the rows of its first batch and their ledger records."""

    def die(_: object) -> None:
        raise Killed

    run = corpus.open()
    plan = run.plan(["corpus"])
    embedded = run.embed(run.prepare(plan.batches[0]))
    run.store.record = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        run.write(embedded)
    run.close()


def test_rows_that_the_ledger_does_not_know_are_booked(corpus: Corpus, tmp_path: Path) -> None:
    """A run that died before its ledger entry does not make later runs over other folders fail."""
    corpus.write("a.txt", "the tide turns the wheel")
    write_rows_and_die(corpus)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.txt").write_text("words of b")
    summary = corpus.ingest("other")

    assert summary.rows == {"text": 2, "image": 0, "page": 0}
    assert [record.text_rows for record in corpus.store().documents()] == [1, 1]


def test_a_booked_document_is_read_again_without_a_model(corpus: Corpus) -> None:
    """What the killed run did not note is made good when the document is met, from the rows that are there."""
    corpus.write("a.txt", "the tide turns the wheel")
    write_rows_and_die(corpus)
    summary = corpus.ingest()

    assert (summary.indexed, summary.embedded, summary.reused) == (1, 0, 1)
    assert corpus.ingest().unchanged == 1


def test_a_deletion_that_was_cut_short_is_booked(corpus: Corpus, tmp_path: Path) -> None:
    """Rows that went without their ledger entry come back when the file is there."""
    corpus.write("a.txt", "the tide turns the wheel")
    corpus.ingest()
    store = corpus.store()
    store.replace(None, [record.doc_id for record in store.documents()])
    summary = corpus.ingest()

    assert (summary.indexed, summary.rows["text"]) == (1, 1)


def test_a_row_that_goes_away_during_a_run_fails_it(corpus: Corpus) -> None:
    """The last step counts the table itself: a row that somebody else took out is not passed over."""
    corpus.write("a.txt", "the tide turns the wheel")
    corpus.write("b.txt", "other words")
    run = corpus.open()
    plan = run.plan(["corpus"])
    run.write(run.embed(run.prepare(plan.batches[0])))
    lancedb.connect(str(corpus.store_path)).open_table("corpus").delete("text = 'other words'")

    with pytest.raises(AccountingError, match="the table holds"):
        run.finish(plan)
    run.close()


def test_a_source_without_an_outcome_fails_the_run(corpus: Corpus) -> None:
    """A batch that is planned and never written does not count as done."""
    corpus.write("a.txt", "the tide turns the wheel")
    run = corpus.open()
    plan = run.plan(["corpus"])

    with pytest.raises(AccountingError, match="1 sources discovered, but 0 accounted for"):
        run.finish(plan)
    run.close()


def test_a_stale_document_stays_until_it_is_refreshed(corpus: Corpus) -> None:
    """Other settings make no document again by themselves; what is new is made by them."""
    corpus.write("a.txt", "one two three")
    first = corpus.ingest()
    corpus.write("b.txt", "four")
    left = corpus.ingest(chunks={"tokens": 33})
    again = corpus.ingest(chunks={"tokens": 33}, refresh=True)

    assert (first.stale, left.stale, left.indexed, left.unchanged) == (0, 1, 1, 1)
    assert (again.stale, again.indexed, again.unchanged) == (0, 1, 1)


def test_a_file_that_is_put_back_after_a_run_was_cut_short_is_what_the_table_holds(corpus: Corpus) -> None:
    """The rows of the new version were written, but not noted, and then the old file came back, time and all."""
    path = corpus.write("a.txt", "the tide turns the wheel")
    corpus.ingest()
    times = path.stat()
    path.write_text("the miller counts his sacks")
    write_rows_and_die(corpus)
    path.write_text("the tide turns the wheel")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    corpus.ingest()

    assert [row["text"] for row in corpus.store().rows()] == ["the tide turns the wheel"]
    assert corpus.store().unsettled() == []


def test_books_that_agree_by_chance_after_a_run_was_cut_short(corpus: Corpus) -> None:
    """One document lost a row, a new one has one: the sums are as before. The new one is gone again before the next
    run, and its row goes as well."""
    corpus.write("a.md", "# one\n\nthe tide\n\n# two\n\nthe wheel")
    corpus.write("c.txt", "a third file, so that one may go")
    rows = corpus.ingest().rows
    corpus.write("a.md", "# one\n\nthe tide")
    corpus.write("b.txt", "the miller counts his sacks")
    write_rows_and_die(corpus)
    agreed = corpus.store().count() == rows
    (corpus.tmp_path / "corpus" / "b.txt").unlink()
    corpus.ingest()

    assert agreed
    assert {row["source_uri"].rpartition("/")[2] for row in corpus.store().rows()} == {"a.md", "c.txt"}
