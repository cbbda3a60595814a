"""Two runs and the upkeep on one store at once: no row twice, nothing lost, and nobody fails."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import docmill, start, summary
from mixed import MIXED, SAMPLES, check, write

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three folders of small files: each run takes two, one of which both of them take."""
    for number, part in enumerate(("left", "both", "right")):
        (tmp_path / "docs" / part).mkdir(parents=True)
        for file in range(6):
            write(tmp_path / "docs" / part / f"{file:02}.txt", random.Random(10 * number + file))
    for name in MIXED:
        shutil.copy(SAMPLES / name, tmp_path / "docs" / "both")
    return tmp_path / "docs"


def race(rounds: int, folder: Path, tmp_path: Path, server: str) -> None:
    """So many times: change files, start two runs and the upkeep, let all end; at last compare with one clean run."""
    store, clean, chance = tmp_path / "store", tmp_path / "clean", random.Random(rounds)
    environment = {"DOCMILL_BATCH_DOCUMENTS": "3", "PREFECT_API_URL": server}
    for _ in range(rounds):
        for path in _some(folder, chance):
            write(path, chance)
        runs = [
            start(("ingest", *(str(folder / part) for part in parts), "--store", str(store), "--json"), **environment)
            for parts in (("left", "both"), ("both", "right"))
        ]
        runs += [start(("maintain", "--store", str(store), "--keep-days", "0", "--json"))] if store.exists() else []
        ended = [(process.communicate(timeout=120), process.returncode) for process in runs]

        assert {code for _, code in ended} == {0}, ended
        assert all(set(_complaints(err)) <= {"waiting"} for (_, err), _ in ended), ended
    last = summary(docmill("ingest", str(folder), "--store", str(store), "--json", **environment))
    docmill("ingest", str(folder), "--store", str(clean), "--json", **environment)

    assert (last["indexed"], last["unchanged"] + last["quarantined"]) == (0, 18 + len(MIXED))
    check(store, clean)


def _some(folder: Path, chance: random.Random) -> list[Path]:
    return [
        folder / part / f"{number:02}.txt"
        for part in ("left", "both", "right")
        for number in chance.sample(range(6), 2)
    ]


def _complaints(errors: str) -> Iterator[str]:
    for line in errors.splitlines():
        yield "waiting" if "waiting for another run" in line else line


def test_a_race(folder: Path, tmp_path: Path, server: str) -> None:
    """Twice: over a new store, and over one that is there."""
    race(2, folder, tmp_path, server)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_races(folder: Path, tmp_path: Path, server: str) -> None:
    """Often enough to meet rare moments."""
    race(20, folder, tmp_path, server)
