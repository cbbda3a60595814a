"""Small files of many kinds, and what must hold of a store after whatever happened to the runs on them."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
from command import ROOT, rows_of

SAMPLES = ROOT / "sample_docs"
DEV = ROOT / "../shared/data/dev/corpus"
MIXED = ("notes.md", "open-day.html", "minutes.eml", "handbook.docx", "visitors.xlsx", "paper.pdf", "truncated.pdf")
WORDS = ("tide", "wheel", "sluice", "gate", "mill", "stone", "flour", "river", "water", "grain", "harbour", "ledger")
LARGE_BYTES = 200_000


def write(path: Path, chance: random.Random) -> None:
    path.write_text("\n\n".join(" ".join(chance.choices(WORDS, k=60)) for _ in range(chance.randint(1, 4))))


def copy_mixed(folder: Path, count: int, chance: random.Random) -> list[Path]:
    """Copies of so many small and medium files of the development data: every kind is there, the rest by chance."""
    files = sorted(path for path in DEV.rglob("*") if path.is_file() and path.stat().st_size < LARGE_BYTES)
    chance.shuffle(files)
    one_each = list({path.suffix.lower(): path for path in files}.values())
    chosen = [*one_each, *(path for path in files if path not in one_each)][:count]
    return [Path(shutil.copy(path, folder / path.name)) for path in chosen]


def check(store: Path, clean: Path) -> None:
    """The rows of a clean run, each id once, and a ledger that counts them."""
    from pipeline.store import open_store

    rows, records = rows_of(store), list(open_store(str(store)).documents())
    held = Counter(row["source_uri"] for row in rows)
    noted = {record.source_uri: record.text_rows + record.image_rows + record.page_rows for record in records}

    assert len({row["id"] for row in rows}) == len(rows)
    assert rows == rows_of(clean)
    assert {uri: count for uri, count in noted.items() if count} == dict(held)
    assert states(store) == states(clean)


def states(store: Path) -> dict[str, str]:
    """What the ledger says of every document that is there."""
    from pipeline.store import open_store

    records = open_store(str(store)).documents()
    return {record.source_uri: record.state for record in records if record.state != "deleted"}


def check_vectors(store: Path, clean: Path) -> None:
    """The vectors of a clean run, but for rounding, and every picture that a row shows."""
    from pipeline.store import open_store

    one, other = open_store(str(store)), open_store(str(clean))
    rows = rows_of(store)
    for start in range(0, len(rows), 500):
        ids = [row["id"] for row in rows[start : start + 500]]
        mine, theirs = one.vectors(ids), other.vectors(ids)

        assert mine.keys() == theirs.keys()
        assert all(alike(mine[name].vector, theirs[name].vector) for name in ids)
    assert all(one.asset(row["asset_id"]) for row in rows if row["asset_id"])


def alike(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    """The same direction; which texts are in a batch changes the last digits."""
    if one is None or other is None:
        return one is other
    return float(one @ other) > 0.999 * float(np.linalg.norm(one) * np.linalg.norm(other))
