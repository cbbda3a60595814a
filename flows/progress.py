"""How far a run is, as a value for whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` documents are in the store; `stage` is what happens now."""

    stage: Literal["waiting", "queued", "fetching", "planned", "parsing", "embedding", "writing", "written"]
    done: int
    total: int
    note: str = ""  # for whom or what it waits
