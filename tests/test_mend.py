"""The books: mended after a run that was cut short, and a run that fails when they do not balance."""

from __future__ import annotations

from pathlib import Path

import lancedb
import pytest
from fakes import WordPages
from test_ingest import NOW, Corpus

from pipeline.config import Settings
from pipeline.errors import AccountingError
from pipeline.ingest import Ingest


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path)


def opened(corpus: Corpus) -> Ingest:
    settings, work = Settings.model_validate({"workers": 1}), corpus.tmp_path / "work"
    store = corpus.store()
    return Ingest(
        settings, store, corpus.unified, WordPages(), run_id="r", now=lambda: NOW, work_dir=work, cwd=corpus.tmp_path
    )


def write_rows_and_die(corpus: Corpus) -> None:
    """A run that ends between the rows of its first batch and their ledger records."""
    run = opened(corpus)
    run.store.record = lambda _: None  # type: ignore[method-assign]
    plan = run.plan(["corpus"])
    run.write(run.embed(run.prepare(plan.batches[0])))
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
    run = opened(corpus)
    plan = run.plan(["corpus"])
    run.write(run.embed(run.prepare(plan.batches[0])))
    lancedb.connect(str(corpus.store_path)).open_table("corpus").delete("text = 'other words'")

    with pytest.raises(AccountingError, match="the table holds"):
        run.finish(plan)
    run.close()


def test_a_source_without_an_outcome_fails_the_run(corpus: Corpus) -> None:
    """A batch that is planned and never written does not count as done."""
    corpus.write("a.txt", "the tide turns the wheel")
    run = opened(corpus)
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
