"""Reading chosen sources again, batch by batch, in a run that shares its store."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.backfill.accounts import Backfilled
from pipeline.backfill.choice import Work
from pipeline.ingest.run import Embedded, Ingest, Plan
from pipeline.sources.listing import look_up
from pipeline.store import Store
from pipeline.types import DocumentRecord, Found, Prepared

GROUP = 500


class Rereading:
    """The steps of a backfill that reads documents: as those of `Ingest`, over what its ledger knows."""

    def __init__(self, run: Ingest, kind: str, work: Work) -> None:
        self.run, self.kind, self.work = run, kind, work
        self.gone = 0

    def prepare(self, batch: Sequence[Found], number: int = 0) -> list[Prepared]:
        """The sources of a batch as they are now. One that is not there any more is left alone: whether it is to be
        deleted an ingest of its folder decides."""
        now = [look_up(found.uri) for found in batch]
        there = [found for found in now if found.revision]
        self.gone += len(now) - len(there)
        return self.run.prepare(there, number)

    def embed(self, prepared: Sequence[Prepared], number: int = 0) -> Embedded:
        return self.run.embed(prepared, number)

    def write(self, embedded: Embedded, number: int = 0) -> None:
        self.run.write(embedded, number)

    def finish(self) -> Backfilled:
        """Refresh the indexes and check the books."""
        outcomes = self.run.tally.outcomes
        summary = self.run.finish(Plan((), sum(outcomes.values()), 0, 0, 0, (), {}))
        done = Backfilled(
            kind=self.kind,
            run_id=summary.run_id,
            chosen=self.work.chosen,
            current=self.work.current,
            sources=len(self.work.sources),
            left=self.work.left,
            indexed=summary.indexed,
            skipped=summary.skipped,
            quarantined=summary.quarantined,
            gone=self.gone,
            overtaken=self.run.overtaken,
            embedded=summary.embedded,
            reused=summary.reused,
            rows=summary.rows,
            seconds=summary.seconds,
            table_version=summary.table_version,
            failures=summary.failures,
        )
        done.check()
        return done


def note_all(store: Store, records: Sequence[DocumentRecord]) -> None:
    """Write ledger entries that changed in no way that concerns their rows; those that others wrote since stay."""
    for start in range(0, len(records), GROUP):
        group = records[start : start + GROUP]
        now = {record.source_uri: record.run_id for record in store.documents([r.source_uri for r in group])}
        store.record([record for record in group if now.get(record.source_uri) == record.run_id])
