"""What a command costs before it does anything: whole processes with nothing warm but the disk's cache."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import docmill
from benchmarks.pairs import Took, timed

TEXT = "The mill makes 38,400 kilowatt hours of energy a year."
PAGES = Path("sample_docs")


@dataclass(frozen=True, slots=True)
class Cold:
    """Runs of one command; `most_asked_s` is how long its median may be by the clock."""

    part: str
    work: str
    most_asked_s: float
    runs: Sequence[Took]

    @property
    def middle_s(self) -> float:
        return median(run.clock_s for run in self.runs)

    @property
    def least_s(self) -> float:
        return min(run.clock_s for run in self.runs)

    @property
    def most_s(self) -> float:
        return max(run.clock_s for run in self.runs)

    @property
    def cpu_s(self) -> float:
        return median(run.cpu_s for run in self.runs)

    @property
    def is_met(self) -> bool:
        return self.middle_s <= self.most_asked_s


def cold(_: Path, runs: int) -> list[Cold]:
    """`docmill ingest` of one small file into a new store, and `docmill search` in it and in one with pages.

    Each ingest starts a temporary Prefect server.
    """
    os.environ.pop("PREFECT_API_URL", None)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "note.txt").write_text(TEXT, encoding="utf-8")
        for _ in docmill("ingest", str(PAGES), "--store", str(home / "pages"), "--json"):
            pass
        ingests = [timed(lambda n=n: _run("ingest", home / "note.txt", home / f"store-{n}")) for n in range(runs)]
        searches = [timed(lambda: _run("search", "how much energy", home / "store-0")) for _ in range(runs)]
        of_pages = [timed(lambda: _run("search", "repair of the sluice gate", home / "pages")) for _ in range(runs)]
    return [
        Cold("cold ingest", "`docmill ingest` of one small file, with a temporary Prefect server", 8, ingests),
        Cold("cold search", "`docmill search` in a store of passages", 2, searches),
        Cold("cold search (pages)", "`docmill search` in a store with pictures and pages", 2, of_pages),
    ]


def _run(command: str, what: object, store: Path) -> None:
    for _ in docmill(command, str(what), "--store", str(store), "--json"):
        pass
