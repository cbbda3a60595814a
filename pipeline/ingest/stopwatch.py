"""Where the time of a run goes, by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

STAGES = (  # in the order of a run; what they take one after the other, in the run's own process
    "list and compare",
    "wait for parsing",
    "chunk",
    "OCR",
    "thumbnails",
    "embed text",
    "embed pictures",
    "embed pages",
    "write",
    "index",
)
PARSING = "parsing in workers"  # beside all that, summed over the workers


@dataclass(slots=True)
class Stopwatch:
    """Seconds by stage. Stages do not lie inside one another; `PARSING` is counted beside them."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Count the time of the block, whether it fails or not."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def taken(self, whole_s: float) -> dict[str, float]:
        """Seconds of each stage in order, the rest of `whole_s` as "other", and what workers did beside it."""
        found = {stage: self.seconds.get(stage, 0.0) for stage in STAGES}
        found["other"] = max(0.0, whole_s - sum(found.values()))
        found[PARSING] = self.seconds.get(PARSING, 0.0)
        return {stage: round(seconds, 2) for stage, seconds in found.items()}
