"""Documents are done again: which, how often, and what of them, with the real parsers, workers and store."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Sequence
from pathlib import Path

import lancedb
import pytest
from corpus import Corpus
from test_reuse import forget, graphics

from cli.main import run
from pipeline.backfill.accounts import Backfilled
from pipeline.backfill.choice import Choice, Work, to_reparse
from pipeline.backfill.read import Rereading, note_all
from pipeline.backfill.reroute import reroute
from pipeline.errors import UsageError
from pipeline.ingest.run import Ingest

OTHER = {"chunks": {"tokens": 33}}  # settings by which every document is stale
WORDS = "The mill at the river turns when the tide goes out and the sluice is open. " * 5


def started(corpus: Corpus, **settings: object) -> Ingest:
    """A run that shares the store."""
    store = corpus.store()
    return corpus.open(store, run_id="backfill", work="shared", turn=lambda: store.writer(), **settings)


def reparse(corpus: Corpus, choice: Choice | None = None, stop_after: int = 10**6) -> Backfilled | None:
    """Read stale documents again, one a batch; stop without a word after so many."""
    again = started(corpus, batch_documents=1, **OTHER)
    try:
        steps = Rereading(again, "reparse", to_reparse(again.store, choice or Choice(), again.recipes))
        return done(steps, stop_after)
    finally:
        again.close()


def done(steps: Rereading, stop_after: int = 10**6) -> Backfilled | None:
    for number, batch in enumerate(steps.work.batches(steps.run.settings)):
        if number == stop_after:
            return None
        steps.write(steps.embed(steps.prepare(batch, number), number), number)
    return steps.finish()


def work_of(corpus: Corpus, choice: Choice) -> Work:
    again = started(corpus, **OTHER)
    return to_reparse(again.store, choice, again.recipes)


def names(work: Work) -> Sequence[str]:
    return [uri.rsplit("/", 1)[-1] for uri in work.sources]


def fill(corpus: Corpus, count: int = 4) -> None:
    for number in range(count):
        path = corpus.write(f"{number}.txt", f"report {number} of the mill")
        os.utime(path, (86_400 * number, 86_400 * number))  # changed on the first, second, ... of January 1970
    corpus.ingest()


def test_stale_documents_are_read_again_once(corpus: Corpus) -> None:
    """Each by the present recipe, without embedding what stayed the same; a second time there is nothing to do."""
    fill(corpus)
    forget(corpus)
    first, second = reparse(corpus), reparse(corpus)

    assert first is not None
    assert second is not None
    assert (first.chosen, first.current, first.sources, first.indexed, first.embedded, first.reused) == (
        4,
        0,
        4,
        4,
        0,
        4,
    )
    assert (second.chosen, second.current, second.sources) == (4, 4, 0)
    assert corpus.unified.embedded == []
    assert corpus.ingest(**OTHER).stale == 0


def test_it_goes_on_where_it_was(corpus: Corpus) -> None:
    """A backfill that was cut short, or limited, leaves the rest to the next one."""
    fill(corpus)
    cut_short = reparse(corpus, stop_after=1)
    limited = reparse(corpus, Choice(limit=1))
    last = reparse(corpus)

    assert cut_short is None
    assert limited is not None
    assert last is not None
    assert (limited.current, limited.sources, limited.left) == (1, 1, 2)
    assert (last.current, last.sources, last.left) == (2, 2, 0)


def test_filters_choose_documents(corpus: Corpus) -> None:
    """By the ledger's columns, and by the time of the last change: from the first day on, before the last."""
    fill(corpus)
    corpus.write("broken.pdf", "%PDF-1.7 nothing more")
    corpus.ingest()
    day = [dt.datetime(1970, 1, number, tzinfo=dt.UTC) for number in range(1, 5)]

    assert names(work_of(corpus, Choice("state = 'quarantined'"))) == ["broken.pdf"]
    assert names(work_of(corpus, Choice("text_rows > 0 AND source_uri LIKE '%2.txt'"))) == ["2.txt"]
    assert names(work_of(corpus, Choice(since=day[1], until=day[3]))) == ["1.txt", "2.txt"]
    with pytest.raises(UsageError, match="no column 'colour'"):
        work_of(corpus, Choice("colour = 'red'"))


def test_what_others_wrote_meanwhile_stays(corpus: Corpus) -> None:
    """A document that an ingest takes, or deletes, while a backfill reads it, is left as the ingest made it."""
    fill(corpus)
    again = started(corpus, **OTHER)
    steps = Rereading(again, "reparse", to_reparse(again.store, Choice(), again.recipes))
    batch = steps.work.batches(again.settings)[0]
    embedded = steps.embed(steps.prepare(batch))
    corpus.write("0.txt", "newer words")
    (corpus.folder / "1.txt").unlink()
    corpus.ingest(run_id="live")
    steps.write(embedded)
    found = steps.finish()
    again.close()

    assert (found.sources, found.indexed, found.overtaken) == (4, 2, 2)
    assert corpus.texts() == {
        "0.txt": ["newer words"],
        "2.txt": ["report 2 of the mill"],
        "3.txt": ["report 3 of the mill"],
    }


def test_a_file_that_is_gone_is_left_alone(corpus: Corpus) -> None:
    """An ingest of its folder decides whether it is to be deleted."""
    fill(corpus)
    (corpus.folder / "1.txt").unlink()
    found = reparse(corpus)

    assert found is not None
    assert (found.sources, found.indexed, found.gone) == (4, 3, 1)
    assert "1.txt" in corpus.texts()


def as_an_older_router_had_it(corpus: Corpus, page: int) -> None:
    """Route a page in the table as text, by a router of another version."""
    database = lancedb.connect(str(corpus.store_path))
    rows, ledger = database.open_table("corpus"), database.open_table("documents")
    rows.delete(f"modality = 'page' AND page = {page}")
    rows.update(where=f"page = {page}", values={"route": "text", "route_reason": "text"})
    ledger.update(values_sql={"recipe": "concat(substr(recipe, 1, 18), '0')", "page_rows": "page_rows - 1"})


def test_only_pages_that_take_another_way_are_embedded(corpus: Corpus) -> None:
    """The rule decides by the stored signals; of the document only the page concerned costs a model."""
    graphics(corpus.folder / "a.pdf", WORDS, WORDS.replace("river", "sea"))
    corpus.ingest()
    as_an_older_router_had_it(corpus, page=2)
    forget(corpus)
    again = started(corpus)
    rerouting = reroute(again.store, Choice(), again.recipes)
    found = done(Rereading(again, "reroute", rerouting.work))
    after = reroute(again.store, Choice(), again.recipes)
    again.close()

    assert found is not None
    assert [(a.path, b.path, pages) for (a, b), pages in rerouting.changes.items()] == [("text", "both", 1)]
    assert (found.indexed, found.embedded) == (1, 1)
    assert [page.image.path.exists() for page in corpus.pages.embedded] == [False]  # one, and its picture is cleared
    assert (after.changes, len(after.work.sources)) == ({}, 0)


def test_documents_that_the_new_rule_leaves_are_told_so(corpus: Corpus) -> None:
    """They are not read, and are no longer stale."""
    corpus.write("a.txt", "words without pages")
    corpus.ingest()
    lancedb.connect(str(corpus.store_path)).open_table("documents").update(
        values_sql={"recipe": "concat(substr(recipe, 1, 18), '0')"}
    )
    stale = corpus.ingest().stale
    again = started(corpus)
    rerouting = reroute(again.store, Choice(), again.recipes)
    note_all(again.store, rerouting.agreed)

    assert (stale, corpus.ingest().stale) == (1, 0)
    assert len(rerouting.work.sources) == 0


@pytest.mark.parametrize("kind", ["reparse", "reroute"])
def test_a_dry_run_says_and_does_nothing(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object with the counts; the table stays as it was."""
    from pipeline.embed.pages import load_pages
    from pipeline.embed.unified import load_unified
    from pipeline.store import Models, open_store

    store = open_store(str(tmp_path / "store"), create=Models(load_unified("builtin").id, load_pages("builtin").id))
    before = store.version()

    assert run(["backfill", kind, "--store", str(tmp_path / "store"), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) | {"pages": []} == {
        "kind": kind,
        "chosen": 0,
        "current": 0,
        "documents": 0,
        "left": 0,
        "pages": [],
    }
    assert store.version() == before
    assert run(["backfill", kind, "--store", str(tmp_path / "none"), "--dry-run"]) == 2
    assert "no docmill store" in capsys.readouterr().err


def test_a_run_that_shares_clears_what_dead_ones_left(tmp_path: Path) -> None:
    """Folders of the living stay."""
    from pipeline.ingest.open import shared_folder

    store = str(tmp_path / "store")
    with shared_folder(store) as alive:
        alive.mkdir()
        dead = alive.parents[1] / "run-dead"
        dead.mkdir()
        with shared_folder(store) as other:
            there = (alive.exists(), dead.exists(), other.parent.exists())
    left = [path.name for path in (tmp_path / "store" / ".shared-work").iterdir()]

    assert there == (True, False, True)
    assert left == ["lock"]
