"""What an evaluation found, as values, and as the JSON that programs get. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pipeline.evaluate.figures import Figure
from pipeline.types import Modality

To = Literal["any"] | Modality  # what was searched: rows of any kind, or of one kind alone
ALL_LEGS = "all legs"


@dataclass(frozen=True, slots=True)
class Leg:
    """The figures of one list of candidates, or of all legs fused; by metric."""

    name: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Section:
    """Questions in words, asked of rows of one kind or of any; of the queries that have answers there."""

    to: To
    queries: int
    legs: tuple[Leg, ...]

    @property
    def title(self) -> str:
        return "text → " + ("anything" if self.to == "any" else self.to)

    def leg(self, name: str = ALL_LEGS) -> Leg:
        return next(leg for leg in self.legs if leg.name == name)


@dataclass(frozen=True, slots=True)
class Report:
    """One evaluation. `source` says where the queries come from, `notes` what the figures can and cannot tell."""

    store: str
    models: Mapping[str, str]
    rows: Mapping[str, int]
    source: str
    known_items: bool
    queries: int
    missing: int  # answers that are not in the store
    sections: tuple[Section, ...]
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    timed: int = 0  # queries that the latency is of
    notes: tuple[str, ...] = ()
    seed: int = 0

    def section(self, to: To) -> Section | None:
        return next((section for section in self.sections if section.to == to), None)

    def contract(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "store": self.store,
            "models": dict(self.models),
            "rows": dict(self.rows),
            "queries_from": self.source,
            "known_items": self.known_items,
            "queries": self.queries,
            "missing_answers": self.missing,
            "sections": [_section(section) for section in self.sections],
            "latency_ms": {**self.latency_ms, "queries": self.timed},
            "notes": list(self.notes),
            "seed": self.seed,
        }


def _section(section: Section) -> dict[str, Any]:
    legs = [{"leg": leg.name, **{name: asdict(figure) for name, figure in leg.figures.items()}} for leg in section.legs]
    return {"from": "text", "to": section.to, "queries": section.queries, "legs": legs}


def figure_text(figure: Figure) -> str:
    """A figure with its interval, for people.

    >>> figure_text(Figure(0.5, 0.41, 0.6))
    '0.500 .41-.60'
    """
    low, high = (f"{end:.2f}".removeprefix("0") for end in (figure.low, figure.high))
    return f"{figure.value:.3f} {low}-{high}"


def several(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> several(1, "query", "queries"), several(2000, "row")
    ('1 query', '2,000 rows')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def notes_of(sections: Sequence[Section]) -> list[str]:
    """What to know before reading the figures of few questions."""
    few = [f"{section.title}: {section.queries}" for section in sections if 0 < section.queries < 30]
    return [f"few questions, so the intervals are wide ({'; '.join(few)})"] if few else []
