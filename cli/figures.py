"""What `docmill evaluate` found, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from cli.output import console, json_line, one_line, print_line, warn
from pipeline.evaluate.figures import METRICS
from pipeline.evaluate.report import Comparison, Report, Section, Tuned, figure_text, several, signed


@dataclass(frozen=True, slots=True)
class Found:
    """A report, and what else was asked for."""

    report: Report
    comparison: Comparison | None = None
    tuned: Tuned | None = None


def print_found(found: Found, as_json: bool) -> None:
    """Figures to standard output, as tables or as one line of JSON; notes to standard error."""
    report, comparison, tuned = found.report, found.comparison, found.tuned
    if as_json:
        values = report.contract() if comparison is None else comparison.contract()
        print_line(json_line(values | ({} if tuned is None else {"tuned": tuned.contract()})))
    else:
        out = console()
        _show(report if comparison is None else comparison.reports[0], comparison, out)
        if tuned is not None:
            out.print(f"weights {tuned.told}")
            out.print(tuned.setting, markup=False)
    for note in report.notes:
        warn(note)


def _show(report: Report, comparison: Comparison | None, out: Console) -> None:
    head = Table.grid(padding=(0, 2))
    head.add_row("store", one_line(report.store))
    head.add_row("rows", ", ".join(f"{count:,} {kind}" for kind, count in report.rows.items()))
    head.add_row("models", ", ".join(f"{kind}: {one_line(name)}" for kind, name in report.models.items()))
    head.add_row("questions", f"{report.queries:,} of {one_line(report.source)}")
    out.print(head)
    named = [("", report)]
    if comparison is not None:
        named = list(zip(comparison.names, comparison.reports, strict=True))
    for section in report.sections:
        both = [(name, found) for name, one in named if (found := one.section(section.to)) is not None]
        out.print(_table(section, both))
        if comparison is not None and section.title in comparison.differences:
            told = signed(comparison.differences[section.title])
            out.print(f"nDCG@10 of all legs, second less first: {told}", markup=False)
    for name, one in named:
        times = ", ".join(f"{level} {value:,.0f} ms" for level, value in one.latency_ms.items())
        told = f" with {one_line(name)}" if name else ""
        out.print(f"latency of one search{told}, {several(one.timed, 'query', 'queries')}: {times}")
    if report.misses:
        out.print(
            f"nothing right among the first ten: {several(len(report.misses), 'query', 'queries')} (--html lists them)"
        )


def _table(section: Section, both: Sequence[tuple[str, Section]]) -> Table:
    title = f"{section.title}, {several(section.queries, 'query', 'queries')}"
    table = Table("leg", *METRICS, box=None, padding=(0, 1, 0, 0), title=title, title_justify="left")
    for name, found in both:
        if name:
            table.add_row(one_line(name), style="magenta")
        for number, leg in enumerate(found.legs):
            style = "" if number else "bold"
            table.add_row(leg.name, *(figure_text(leg.figures[metric]) for metric in METRICS), style=style)
    return table
