"""Small files of many kinds, and what must hold of a store after whatever happened to the runs on them."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from command import rows_of

SAMPLES = Path(__file__).parents[1] / "sample_docs"
MIXED = ("notes.md", "open-day.html", "minutes.eml", "handbook.docx", "visitors.xlsx", "paper.pdf", "truncated.pdf")
WORDS = ("tide", "wheel", "sluice", "gate", "mill", "stone", "flour", "river", "water", "grain", "harbour", "ledger")


def write(path: Path, chance: random.Random) -> None:
    path.write_text("\n\n".join(" ".join(chance.choices(WORDS, k=60)) for _ in range(chance.randint(1, 4))))


def check(store: Path, clean: Path) -> None:
    """The rows of a clean run, each id once, and a ledger that counts them."""
    from pipeline.store import open_store

    rows, records = rows_of(store), list(open_store(str(store)).documents())
    held = Counter(row["source_uri"] for row in rows)
    noted = {record.source_uri: record.text_rows + record.image_rows + record.page_rows for record in records}

    assert len({row["id"] for row in rows}) == len(rows)
    assert rows == rows_of(clean)
    assert {uri: count for uri, count in noted.items() if count} == dict(held)
