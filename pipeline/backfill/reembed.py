"""Moving a store to other models while it is searched and written to: fill, compare, switch, label; and the way back.

Each step can be cut short and begun again: the table says what is done. Vectors of the next models lie in columns of
their own, which no search sees; one commit puts them in force; those of the models before stay for a way back.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.backfill.choice import Choice
from pipeline.canary import ask, known_items, recall
from pipeline.config import Settings
from pipeline.embed import PageModel, Unified
from pipeline.errors import CanaryDrop, StoreError, UsageError
from pipeline.ingest.in_force import in_force, names_of
from pipeline.ingest.mend import mend_books
from pipeline.ingest.recipes import recipes_of
from pipeline.ingest.refill import Content, Refill
from pipeline.search import LEGS, Searcher
from pipeline.store import Filled, Label, Models, Names, Store, TokenCounts, VectorSet, open_store

VECTOR_LEGS = tuple(leg for leg in LEGS if leg != "bm25")  # words find the same whatever the model
GROUP = 500
Turn = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Reembedded:
    """What was done. `rows` got vectors in this run, `left` have none yet; `long` passages do not fit the next model
    and have the mean of their windows until they are parsed again. Recalls are of the vector legs, on known items."""

    kind: str
    unified: str
    text: str
    pages: str
    rows: int
    left: int
    long: int
    recall_before: float | None
    recall_after: float | None
    switched: bool
    table_version: int
    seconds: float = 0.0

    def contract(self) -> dict[str, Any]:
        return asdict(self)


class Reembed:
    """One move of a store to the models of some names. Writes within `turn`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        live: tuple[Unified, PageModel],
        coming: tuple[Unified, PageModel],
        names: Names,
        *,
        turn: Callable[[Store], AbstractContextManager[None]],
        folder: Path,
        now: Callable[[], dt.datetime],
        accepted: tuple[str, ...] = (),
    ) -> None:
        """`live` and `coming` are the models in force and the next ones, `names` what settings call the next ones."""
        self.settings, self.store, self.names, self.folder, self.now = settings, store, names, folder, now
        self.live, (self.unified, self.pages) = live, coming
        self.models = Models(self.unified.id, self.pages.id, self.unified.pictures_id, accepted)
        self.turn: Turn = lambda: turn(self.store)
        self.rows = 0

    @property
    def is_switched(self) -> bool:
        """The models are in force already; only labels may be missing."""
        return self.store.sets.live.models == self.models

    def target(self) -> VectorSet:
        sets = self.store.sets
        assert sets.next is not None
        return sets.next

    def begin(self) -> None:
        """Make room for the vectors, or go on with those of an earlier start. Raises `UsageError` if another move is
        under way, or the vectors of the one before are still kept."""
        sets = self.store.sets
        if sets.next is not None and sets.next.models != self.models:
            raise UsageError(
                f"{self.store.uri}: is being moved to {sets.next.names.unified} and {sets.next.names.pages}; finish "
                "that, or give it up with `docmill backfill reembed --cancel`"
            )
        if sets.next is None and sets.before is not None:
            raise UsageError(
                f"{self.store.uri}: still keeps the vectors of {sets.before.names.unified} and "
                f"{sets.before.names.pages}; drop them with `docmill backfill reembed --finish`"
            )
        if sets.next is None:
            with self.turn():
                self.store.begin_set(self.models, names_of(in_force(self.settings)), self.names)

    def missing(self) -> int:
        return sum(self.store.count_missing(self.target()).values())

    def chosen(self, choice: Choice) -> set[str] | None:
        """Ids of the documents that are to be filled; None for all."""
        if choice.where is None and choice.since is None and choice.until is None:
            return None
        return {record.doc_id for record in choice.records(self.store)}

    def groups(self, doc_ids: set[str] | None = None, limit: int | None = None) -> Iterator[Sequence[Content]]:
        """Rows that are to be filled, until there are none. Raises `StoreError` if some cannot be."""
        while True:
            before, taken = self.rows, 0
            for rows in self.store.to_fill(self.target(), doc_ids, self.settings.backfill.rows):
                if limit is not None:
                    rows = rows[: max(0, limit - self.rows)]
                if rows:
                    taken += len(rows)
                    yield rows
            if not taken or (limit is not None and self.rows >= limit):
                return
            if self.rows == before:
                raise StoreError(f"{self.store.uri}: {taken} rows got no vector of {self.names.unified}; run it again")

    def embed(self, rows: Sequence[Content]) -> list[Filled]:
        try:
            return Refill(self.store, self.target(), self.unified, self.pages, self.folder).embed(rows)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, filled: Sequence[Filled]) -> None:
        with self.turn():
            self.rows += self.store.fill(self.target(), filled)

    def settle(self) -> None:
        """Indexes and token counts of the next vectors, so that the switch slows no search."""
        other = self.store.of_set(self.target())
        with self.turn():
            if self.models.pages != self.store.models.pages and self.pages.uses_frequencies:
                counted = self.pages.count_frequencies(self.store.page_texts())
                other.set_frequencies(TokenCounts(counted.pages, counted.counts))
            self.store.refresh_indexes()

    def compare(self) -> tuple[float, float]:
        """Recall of the vector legs before and after, on known items of the corpus."""
        questions = known_items(self.store, self.settings.canary.questions)
        weights = self.settings.search
        old = Searcher(self.store, *self.live, weights)
        new = Searcher(self.store.of_set(self.target()), self.unified, self.pages, weights)
        return recall(ask(old, questions, VECTOR_LEGS)), recall(ask(new, questions, VECTOR_LEGS))

    def check(self, before: float, after: float) -> None:
        """Raise `CanaryDrop` if the next models find too much less."""
        if after < self.settings.backfill.recall * before:
            raise CanaryDrop(
                f"{self.names.unified} and {self.names.pages} find known items with recall {after:.3f}, the models in "
                f"force with {before:.3f}: no switch. Lower backfill.recall, or give it up with --cancel"
            )

    def switch(self) -> None:
        """Fill what was written last, and put the vectors in force, in one turn."""
        with self.turn():
            for rows in self.groups():
                self.rows += self.store.fill(self.target(), self.embed(rows))
            self.store.switch_sets(self.now())
        self.store = open_store(self.store.uri)

    def label(self) -> int:
        """Have rows and ledger name the models in force; gives how many passages are longer than the model reads.

        Their documents stay stale, so that `docmill backfill reparse` cuts them anew.
        """
        recipes = recipes_of(self.settings, self.unified, self.pages)
        budget, long = self.unified.max_tokens, 0
        for rows in self.store.to_label(self.settings.backfill.rows):
            texts = [row["text"] or "" for row in rows if row["modality"] == "text"]
            counts = iter(self.unified.count_tokens(texts) if texts else ())
            labels = []
            for row in rows:
                count = next(counts) if row["modality"] == "text" else row["token_count"]
                is_long = row["modality"] == "text" and count > budget
                long += is_long
                recipe = row["recipe"] if is_long else _moved(row["recipe"] or "", recipes.embedding)
                labels.append(Label(row["id"], row["run_id"], row["ingested_at"], recipe, count))
            with self.turn():
                self.store.label(labels)
        self._label_ledger(recipes.embedding, budget)
        with self.turn():
            self.store.write_sets(replace(self.store.sets, labelled=True))
        return long

    def _label_ledger(self, embedding: str, budget: int) -> None:
        stale = [
            record
            for record in self.store.documents(state="indexed")
            if "." in record.recipe and not record.recipe.startswith(f"{embedding}.")
        ]
        for start in range(0, len(stale), GROUP):
            group = stale[start : start + GROUP]
            with self.turn():
                long = self.store.long_passages([record.doc_id for record in group], budget)
                now = {record.source_uri: record for record in self.store.documents([r.source_uri for r in group])}
                same = [record for record in group if now.get(record.source_uri) == record]
                done = [r for r in same if r.doc_id not in long]
                self.store.record([replace(r, recipe=_moved(r.recipe, embedding)) for r in done])


def long_passages(store: Store, unified: Unified) -> int:
    """How many stored passages are longer than a model reads at once."""
    count = 0
    for row in store.rows():
        if row["modality"] == "text":
            count += unified.count_tokens([row["text"] or ""])[0] > unified.max_tokens
    return count


def cancel(store: Store) -> None:
    """Give up a move that is under way: its columns go. Call it within a turn."""
    sets = store.sets
    if sets.next is None:
        raise UsageError(f"{store.uri}: is not being moved to other models")
    store.drop_set(sets.next.columns, replace(sets, next=None))


def finish(store: Store, now: dt.datetime, keep: dt.timedelta) -> bool:
    """Drop the vectors of the models before, if the switch is longer ago than that; gives whether it was. Call it
    within a turn."""
    sets = store.sets
    if sets.before is None or not sets.labelled or now - dt.datetime.fromisoformat(sets.switched) < keep:
        return False
    store.drop_set(sets.before.columns, replace(sets, before=None))
    return True


def begin_way_back(store: Store) -> Names:
    """Make the vectors before the ones to be filled, and switched to, next; gives the names of their models. Call it
    within a turn. Raises `UsageError` if there are none."""
    sets = store.sets
    if sets.next is not None and sets.next.names in sets.former:
        return sets.next.names  # begun before
    if sets.before is None or sets.next is not None:
        raise UsageError(f"{store.uri}: keeps no vectors of models before; there is no way back but another reembed")
    store.write_sets(replace(sets, next=sets.before, before=None, labelled=True))
    return sets.before.names


def restore_tag(store: Store, run_id: str, now: dt.datetime) -> Names:
    """The corpus as it was before the move began; what was written since is read again by the next ingest. Gives the
    names of the models in force. Call it within a turn."""
    names = store.sets.former
    if not names:
        raise UsageError(f"{store.uri}: was not moved to other models; there is nothing to restore")
    store.restore_tag()
    store.mark_unsettled(run_id)
    mend_books(store, run_id, now)
    return names[-1]


def _moved(recipe: str, embedding: str) -> str:
    return f"{embedding}.{recipe.partition('.')[2]}" if "." in recipe else recipe
