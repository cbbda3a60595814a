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
    gains: Mapping[str, float] = field(default_factory=dict, repr=False)  # nDCG@10 of all legs, by query id

    @property
    def title(self) -> str:
        return "text → " + ("anything" if self.to == "any" else self.to)

    def leg(self, name: str = ALL_LEGS) -> Leg:
        return next(leg for leg in self.legs if leg.name == name)


@dataclass(frozen=True, slots=True)
class Miss:
    """A query of which nothing right stands among the first ten: what was wanted, and what stands first."""

    query: str
    wanted: tuple[str, ...]
    first: str


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
    misses: tuple[Miss, ...] = ()
    runs: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)  # what all legs find, by query id

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
            "misses": [asdict(miss) for miss in self.misses],
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


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same documents and queries. Differences are of nDCG@10 of all legs, second less first, paired
    by query, by section."""

    names: tuple[str, str]
    reports: tuple[Report, Report]
    differences: Mapping[str, Figure]

    def contract(self) -> dict[str, Any]:
        return {
            "models": list(self.names),
            "reports": [report.contract() for report in self.reports],
            "ndcg@10_differences": {title: asdict(figure) for title, figure in self.differences.items()},
        }


@dataclass(frozen=True, slots=True)
class Tuned:
    """Weights of the legs fitted on some of the queries, and nDCG@10 on the others, before and after."""

    weights: Mapping[str, float]
    fitted_on: int
    tested_on: int
    before: Figure
    after: Figure
    difference: Figure

    @property
    def helps(self) -> bool:
        """Whether the queries that were held out say so, beyond chance."""
        return self.difference.low > 0

    @property
    def told(self) -> str:
        verdict = (
            "take them: put these lines into docmill.toml"
            if self.helps
            else "no gain that is sure: the interval of the difference holds 0, so keep the weights as they are"
        )
        return (
            f"fitted on {several(self.fitted_on, 'query', 'queries')}; on {self.tested_on:,} others nDCG@10 is "
            f"{figure_text(self.before)} with the present weights, {figure_text(self.after)} with the fitted ones, "
            f"difference {signed(self.difference)}; {verdict}"
        )

    @property
    def setting(self) -> str:
        """The lines for a settings file."""
        return "\n".join(("[search]", *(f"{leg} = {weight:g}" for leg, weight in self.weights.items())))

    def contract(self) -> dict[str, Any]:
        values = {name: asdict(getattr(self, name)) for name in ("before", "after", "difference")}
        counts = {"fitted_on": self.fitted_on, "tested_on": self.tested_on, "helps": self.helps}
        return {"weights": dict(self.weights), **counts, **values}


def signed(figure: Figure) -> str:
    """A difference with its interval.

    >>> signed(Figure(0.02, -0.01, 0.05))
    '+0.020 (-0.010 to +0.050)'
    """
    return f"{figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"
