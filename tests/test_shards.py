"""A run cut into shards: what they do together is what one run does, whoever does which and however often."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
from corpus import NOW, Corpus

from pipeline.backfill.shards import collect, cut, list_shards, settle, shared_settings, to_do
from pipeline.config import Settings
from pipeline.errors import AccountingError
from pipeline.ingest.accounts import Summary
from pipeline.ingest.run import Ingest, Plan


@pytest.fixture
def corpus(corpus: Corpus) -> Corpus:
    for number in range(5):
        corpus.write(f"{number}.txt", f"report {number} of the mill")
    corpus.write("broken.pdf", "%PDF-1.7 nothing more")
    return corpus


def opened(corpus: Corpus, name: str) -> Ingest:
    """A process of the run "r" that shares the store."""
    store = corpus.store()
    return corpus.open(store, work=name, turn=lambda: store.writer())


def cut_in_two(corpus: Corpus) -> tuple[Ingest, Plan]:
    run = opened(corpus, "parent")
    plan = run.plan(["corpus"])
    list_shards(run.store, "r", cut(chain.from_iterable(plan.batches), 2), NOW)
    return run, plan


def do(corpus: Corpus, shard: int, most: int = 99) -> int:
    """What a worker does with a shard; gives how many documents that were."""
    run = opened(corpus, f"shard-{shard}")
    found = to_do(run.store, "r", shard, again=False)[:most]
    if found:
        run.write(run.embed(run.prepare(found)))
    run.store.note_shard("r", shard, {"embedded": run.tally.embedded, "reused": run.tally.reused}, NOW)
    run.close()
    return len(found)


def end(run: Ingest, plan: Plan) -> Summary:
    found = collect(run.store, "r", lambda _: False)
    found.check()
    settle(run, found)
    return run.finish(plan)


def test_shards_make_what_one_run_makes(corpus: Corpus) -> None:
    """Rows, books and counts, and none is done twice."""
    run, plan = cut_in_two(corpus)
    done = [do(corpus, 0), do(corpus, 1), do(corpus, 0)]
    summary = end(run, plan)
    rows = [{**row, "run_id": ""} for row in corpus.store().rows()]
    corpus.store_path = corpus.tmp_path / "clean"
    clean = corpus.ingest()

    assert done == [3, 3, 0]
    assert (summary.discovered, summary.indexed, summary.quarantined) == (6, 5, 1)
    assert (summary.rows, summary.embedded) == (clean.rows, clean.embedded)
    assert rows == [{**row, "run_id": ""} for row in corpus.store().rows()]


def test_a_shard_that_was_cut_short_is_done_again(corpus: Corpus) -> None:
    """What is missing is said; what was done is not done again."""
    run, plan = cut_in_two(corpus)
    do(corpus, 0, most=1)
    do(corpus, 1)

    with pytest.raises(AccountingError, match="2 documents were not done"):
        end(run, plan)
    assert do(corpus, 0) == 2
    assert end(run, plan).indexed == 5


def test_settings_travel_without_secrets(tmp_path: Path) -> None:
    """Shards work by the settings of the run that made them, and no password is stored with it."""
    values = {"store": "s", "chunks": {"tokens": 77}, "sources": {"passwords": ["tide"]}}
    sent = shared_settings(Settings.model_validate(values))

    assert (sent["store"], sent["chunks.tokens"]) == ("s", 77)
    assert "tide" not in str(sent)
