"""Upkeep takes away what nobody needs and changes no row."""

from __future__ import annotations

import json
from pathlib import Path

import lancedb
import pytest
from corpus import NOW, Corpus
from PIL import Image
from test_mend import write_rows_and_die

from cli.main import run
from pipeline.config import Settings
from pipeline.errors import StoreBusy, TooLittleMemory
from pipeline.maintain import Upkeep, maintain
from pipeline.memory import available_bytes


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def look_after(corpus: Corpus, **settings: object) -> Upkeep:
    chosen = Settings.model_validate({"store": str(corpus.store_path), "keep_days": 0, **settings})
    return maintain(chosen, run_id="r", now=NOW)


def test_old_versions_go_and_rows_stay(corpus: Corpus) -> None:
    """After some runs the store is smaller than before, its rows are the same, and a second time there is nothing."""
    for turn in range(4):
        corpus.write("a.txt", f"words of turn {turn}")
        corpus.write("b.txt", "the tide turns the wheel")
        corpus.ingest()
    before = corpus.texts()
    first, second = look_after(corpus), look_after(corpus)

    assert first.old_versions > 4
    assert first.bytes_after < first.bytes_before
    assert corpus.texts() == before
    assert (second.old_versions, second.table_version) == (0, first.table_version)


def test_versions_of_the_last_days_stay(corpus: Corpus) -> None:
    """What a long search may still read is not taken away under it."""
    corpus.write("a.txt", "one")
    corpus.ingest()

    assert look_after(corpus, keep_days=7).old_versions == 0


def test_pictures_that_no_row_shows_go(corpus: Corpus) -> None:
    """A run that was killed between its pictures and its rows leaves pictures behind; those in use stay."""
    Image.effect_noise((300, 200), 90).convert("RGB").save(corpus.folder / "boat.png")
    corpus.ingest()
    Image.effect_noise((300, 200), 30).convert("RGB").save(corpus.folder / "ship.png")
    killed = corpus.open()
    batch = killed.plan(["corpus"]).batches[0]
    embedded = killed.embed(killed.prepare(batch))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.store.corpus.replace_rows", _die)
        with pytest.raises(KeyboardInterrupt):
            killed.write(embedded)
    killed.close()
    done = look_after(corpus)

    assert done.unused_pictures == 1
    assert [len(corpus.store().asset(row["asset_id"])) > 100 for row in corpus.store().rows()] == [True]


def test_books_of_a_killed_run_are_mended(corpus: Corpus) -> None:
    """A document whose rows are there and whose ledger entry is not gets one."""
    corpus.write("a.txt", "the tide turns the wheel")
    write_rows_and_die(corpus)

    assert look_after(corpus).mended == 1
    assert [record.text_rows for record in corpus.store().documents()] == [1]


def test_it_waits_for_a_running_ingest(corpus: Corpus) -> None:
    """One writer at a time: upkeep gives up after `lock_wait_s`, and says for whom it waited."""
    corpus.write("a.txt", "one")
    corpus.ingest()
    held: list[str] = []
    settings = Settings.model_validate({"store": str(corpus.store_path), "lock_wait_s": 1.5})
    with corpus.store().writer(), pytest.raises(StoreBusy):
        maintain(settings, run_id="r", now=NOW, waiting=held.append)

    assert len(held) == 1
    assert held[0].startswith("process ")


def test_it_refuses_what_would_not_fit(corpus: Corpus) -> None:
    """With both figures, before anything is done; on demand it goes on all the same."""
    corpus.write("a.txt", "one")
    corpus.ingest()
    settings = Settings.model_validate({"store": str(corpus.store_path), "keep_days": 0})
    with pytest.raises(TooLittleMemory, match=r"about 100 MB of memory and 64 MB are free"):
        maintain(settings, run_id="r", now=NOW, free=lambda: 64_000_000)

    assert maintain(settings, run_id="r", now=NOW, free=None).old_versions > 0


def test_a_tagged_version_stays(corpus: Corpus) -> None:
    """However old it is: it can still be read, and it is what the tag names."""
    corpus.write("a.txt", "one")
    corpus.ingest()
    corpus.store().set_tag("good")
    version = corpus.store().version()
    corpus.write("a.txt", "two")
    corpus.ingest()
    look_after(corpus)

    assert corpus.store().tagged("good") == version < corpus.store().version()
    assert lancedb.connect(corpus.store_path).open_table("corpus").tags.list()["good"]["version"] == version
    old = lancedb.connect(corpus.store_path).open_table("corpus")
    old.checkout("good")
    assert [row["text"] for row in old.search().select(["text"]).to_list()] == ["one"]


@pytest.mark.parametrize(("limit", "expected"), [("max", None), ("500000000", 300_000_000)])
def test_a_control_group_may_leave_less_than_the_machine(tmp_path: Path, limit: str, expected: int | None) -> None:
    """Cached files count as free."""
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text("250000000")
    (tmp_path / "memory.stat").write_text("anon 200000000\ninactive_file 50000000\n")
    found = available_bytes(tmp_path)

    assert found == (expected if expected else available_bytes(tmp_path / "none")) or expected is None


def test_the_command(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object; a store that is not there is bad usage."""
    corpus.write("a.txt", "one")
    corpus.ingest()

    assert run(["maintain", "--store", str(corpus.store_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == {"text": 1, "image": 0, "page": 0}
    assert run(["maintain", "--store", str(corpus.tmp_path / "none")]) == 2
    assert "no docmill store" in capsys.readouterr().err
