"""The seal of a store: it says "nothing has changed" without LanceDB, and never when something has."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.config import Chunks, Settings, Sources
from pipeline.ingest.open import open_ingest
from pipeline.ingest.seal import SEAL, Listed, summary_of, unbroken
from pipeline.store import Store, open_store
from pipeline.types import Found

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


class Sealed:
    """A folder of files that need no model, and a store that a run over it left."""

    def __init__(self, home: Path) -> None:
        self.home, self.docs = home, home / "docs"
        self.docs.mkdir()
        (self.docs / "empty.txt").touch()
        (self.docs / "alien.bin").write_bytes(bytes(range(256)) * 9)
        self.settings = Settings(store=str(home / "store"), workers=1)
        self.run()

    def run(self) -> None:
        with open_ingest(self.settings, ["docs"], run_id="r", cwd=self.home, now=lambda: NOW) as run:
            plan = run.plan(["docs"])
            for number, batch in enumerate(plan.batches):
                run.write(run.embed(run.prepare(batch, number), number), number)
            run.finish(plan)

    def holds(self, *specs: str, settings: Settings | None = None) -> bool:
        return unbroken(settings or self.settings, specs or ["docs"], self.home) is not None


def leave_a_mark(store: Store) -> None:
    """As a run that is killed between rows and ledger does."""
    with store.writer(), suppress(ZeroDivisionError), store.settling("cut-short"):
        raise ZeroDivisionError


@pytest.fixture
def sealed(tmp_path: Path) -> Sealed:
    return Sealed(tmp_path)


def test_it_holds_while_nothing_changes(sealed: Sealed) -> None:
    """A run leaves a seal that gives the next one's summary."""
    seal = unbroken(sealed.settings, ["docs"], sealed.home)

    assert seal is not None
    summary = summary_of(seal, "next", 0.1)
    assert (summary.discovered, summary.indexed, summary.unchanged, summary.skipped) == (2, 0, 0, 2)
    assert summary.table_version == open_store(sealed.settings.store).version()


def test_any_change_breaks_it(sealed: Sealed) -> None:
    """A file that is new, gone, rewritten or ignored, a commit or a tag, and a seal that cannot be read or is gone; a
    run over what has changed seals it again."""
    store, alien, seal = sealed.settings.store, sealed.docs / "alien.bin", Path(sealed.settings.store) / SEAL
    changes: dict[str, Callable[[], object]] = {
        "new": lambda: (sealed.docs / "new.bin").write_bytes(bytes(range(256)) * 8),
        "gone": lambda: (sealed.docs / "new.bin").unlink(),
        "rewritten": lambda: alien.write_bytes(alien.read_bytes()),
        "ignored": lambda: (sealed.docs / ".docmillignore").write_text("*.bin"),
        "commit": lambda: open_store(store).record(list(open_store(store).documents())),
        "tag": lambda: leave_a_mark(open_store(store)),
        "damaged": lambda: seal.write_text("{"),
        "none": seal.unlink,
    }
    seen = {}
    for name, change in changes.items():
        sealed.run()
        before = sealed.holds()
        change()
        seen[name] = (before, sealed.holds())

    assert seen == dict.fromkeys(changes, (True, False))


def test_other_questions_break_it(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other sources, other settings and another version of a stage are not what was sealed."""
    smaller = Settings(store=sealed.settings.store, chunks=Chunks(tokens=100))

    assert not sealed.holds("docs/alien.bin")
    assert not sealed.holds(settings=smaller)
    monkeypatch.setattr("pipeline.ingest.recipes.PARSER_VERSION", "next")
    assert not sealed.holds()


def test_what_may_succeed_next_time_leaves_no_seal(sealed: Sealed) -> None:
    """A failure of this run: the next one has to look again."""
    (sealed.docs / "broken.pdf").write_bytes(bytes(range(256)) * 9)
    sealed.run()
    first = sealed.holds()
    sealed.run()

    assert (first, sealed.holds()) == (False, True)


def test_no_password_gets_into_it(sealed: Sealed) -> None:
    """Only whether there are passwords is part of what was asked, not even as a hash."""
    store = sealed.settings.store
    one, other = (Settings(store=store, sources=Sources(passwords=(word,))) for word in ("sluice", "gate"))
    sealed.settings = one
    sealed.run()

    assert sealed.holds(settings=one)
    assert sealed.holds(settings=other)
    assert "sluice" not in json.dumps((Path(one.store) / SEAL).read_text())


def test_names_that_are_no_utf8_can_be_listed() -> None:
    """The reason of a skip may name a folder in bytes of another encoding."""
    found = Found("file:///x", "1", 1, None, skip="ignored by caf\udce9/.docmillignore line 1")
    listed = Listed([found])

    assert list(listed) == [found]
    assert listed.digest() != Listed([]).digest()
