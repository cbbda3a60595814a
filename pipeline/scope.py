"""What a search looks at: how many hits, of which kind, by which legs, and which rows. Values only."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.filters import Filter
from pipeline.store import alone
from pipeline.types import Modality

LEGS = ("text", "image", "page", "maxsim", "bm25")
KINDS: tuple[Modality, ...] = ("text", "image", "page")
DEPTH = 100  # candidates of a leg; more only if more hits are asked for
NO_FILTER = Filter()
QUOTED = re.compile(r'(?<!\w)["“”]\s*(\w(?:[^"“”]*[^\s"“”])?)\s*["“”](?!\w)')


@dataclass(frozen=True, slots=True)
class Scope:
    """What part of the table a search looks at, and with which legs.

    `where` is a condition in SQL beside the `filter`. Rows must have each of the `phrases`, in these words.
    """

    k: int = 10
    modality: Modality | None = None
    where: str | None = None
    legs: Collection[str] = LEGS
    filter: Filter = NO_FILTER
    phrases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UsageError(f"k is {self.k}; a search gives at least 1 hit")
        if self.modality not in (None, *KINDS):
            raise UsageError(f"no modality is called {self.modality!r}; they are {', '.join(KINDS)}")
        if unknown := sorted(set(self.legs) - set(LEGS)):
            raise UsageError(f"no leg is called {unknown[0]!r}; the legs are {', '.join(LEGS)}")

    @property
    def depth(self) -> int:
        return max(DEPTH, self.k)

    @property
    def condition(self) -> str | None:
        """`where` and `filter` as one condition."""
        narrowed = self.filter.sql()
        if not self.where or not self.where.strip():
            return narrowed
        return f"{alone(self.where)} AND {narrowed}" if narrowed else self.where

    def has(self, leg: str) -> bool:
        """True if the leg was asked for and can find rows of the modality asked for."""
        return leg in self.legs and (leg == "bm25" or self.modality in (None, "page" if leg == "maxsim" else leg))


def split_phrases(query: str) -> tuple[str, tuple[str, ...]]:
    """The words of a query without its quotes, and what stands in double quotes at the edges of words.

    >>> split_phrases('repair of the "sluice gate"')
    ('repair of the sluice gate', ('sluice gate',))
    >>> split_phrases('a 5" pipe and a 3" valve')
    ('a 5" pipe and a 3" valve', ())
    """
    return QUOTED.sub(r"\1", query), tuple(QUOTED.findall(query))
