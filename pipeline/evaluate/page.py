"""An evaluation as one HTML page that needs nothing else: tables, charts as SVG, light and dark. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from urllib.parse import unquote

from pipeline.evaluate.figures import METRICS, Figure
from pipeline.evaluate.report import Comparison, Leg, Report, Section, Tuned, several, signed

CHARTED = ("ndcg@10", "recall@10")
TITLES = {"ndcg@10": "nDCG@10", "recall@1": "recall@1", "recall@5": "recall@5", "recall@10": "recall@10", "mrr": "MRR"}
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
MISSES = 50
CLASSES = ("first", "second")
SAFE = "default-src 'none'; style-src 'unsafe-inline'"  # should anything of a document ever get through: no script


def page(report: Report, comparison: Comparison | None = None, tuned: Tuned | None = None) -> str:
    """The page. With a comparison its second report stands beside the first. All that documents, questions or settings
    say is escaped."""
    named = [("", report)] if comparison is None else list(zip(comparison.names, comparison.reports, strict=True))
    parts = [
        *_head(report),
        _notes(report.notes),
        *_compared(comparison),
        *_tuned(tuned),
        *(line for section in named[0][1].sections for line in _section(section, named)),
        *_latency(named),
        *_misses(report),
    ]
    style = files("pipeline.evaluate").joinpath("page.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(SAFE)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>docmill evaluate</title>\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def _head(report: Report) -> Iterator[str]:
    rows = ", ".join(f"{count:,} {kind}" for kind, count in report.rows.items())
    models = "; ".join(f"{kind}: {name}" for kind, name in report.models.items())
    questions = f"{report.queries:,} of {report.source}"
    yield "<h1>What searches find</h1>"
    pairs = (("store", report.store), ("rows", rows), ("models", models), ("questions", questions))
    yield "<dl>" + "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in pairs) + "</dl>"


def _notes(notes: Sequence[str]) -> str:
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<div class="notes"><ul>{lines}</ul></div>' if notes else ""


def _section(section: Section, named: Sequence[tuple[str, Report]]) -> Iterator[str]:
    """Charts and a table of one section, of all reports that have it."""
    both = [(name, found) for name, report in named if (found := report.section(section.to)) is not None]
    yield f"<h2>{escape(section.title)}</h2>"
    yield f'<p class="soft">{several(section.queries, "query", "queries")}{_keys(both)}</p>'
    for metric in CHARTED:
        yield f"<h3>{TITLES[metric]}, with its 95 % interval</h3>"
        for leg in section.legs:
            figures = [_figure(found, leg.name, metric) for _, found in both]
            yield _bar(leg.name, [figure for figure in figures if figure is not None])
        yield _axis()
    yield "<details><summary>all figures</summary>"
    for name, found in both:
        yield f'<div class="scroll">{_table(name, found.legs)}</div>'
    yield "</details>"


def _keys(both: Sequence[tuple[str, Section]]) -> str:
    if len(both) < 2:
        return ""
    keys = (f' <span class="key {kind}"></span>{escape(name)}' for kind, (name, _) in zip(CLASSES, both, strict=False))
    return ";" + "".join(keys)


def _figure(section: Section, leg: str, metric: str) -> Figure | None:
    return next((one.figures[metric] for one in section.legs if one.name == leg), None)


def _bar(name: str, figures: Sequence[Figure]) -> str:
    """A row of a chart: each figure as a dot on its interval. Lengths are shares of the width, so that it fits any."""
    height = 10 + 14 * len(figures)
    grid = "".join(f'<line class="grid" x1="{_x(tick)}" x2="{_x(tick)}" y1="0" y2="{height}"/>' for tick in TICKS)
    dots = "".join(
        _dot(figure, kind, 12 + 14 * i) for i, (figure, kind) in enumerate(zip(figures, CLASSES, strict=False))
    )
    told = "; ".join(f"{figure.value:.3f}, from {figure.low:.3f} to {figure.high:.3f}" for figure in figures)
    values = "<br>".join(f"{figure.value:.3f}" for figure in figures)
    strong = " all" if name == "all legs" else ""
    return (
        f'<div class="bar{strong}"><span>{escape(name)}</span>'
        f'<svg height="{height}" role="img" aria-label="{escape(f"{name}: {told}")}">{grid}{dots}</svg>'
        f"<b>{values}</b></div>"
    )


def _dot(figure: Figure, kind: str, y: int) -> str:
    line = f'<line class="{kind}" x1="{_x(figure.low)}" x2="{_x(figure.high)}" y1="{y}" y2="{y}" stroke-width="3"/>'
    return f'{line}<circle class="{kind}" cx="{_x(figure.value)}" cy="{y}" r="5"/>'


def _axis() -> str:
    anchors = ("start", "middle", "middle", "middle", "end")
    labels = "".join(
        f'<text x="{_x(tick)}" y="11" text-anchor="{anchor}">{tick:g}</text>'
        for tick, anchor in zip(TICKS, anchors, strict=True)
    )
    return f'<div class="bar"><span></span><svg height="14" aria-hidden="true">{labels}</svg><b></b></div>'


def _x(value: float) -> str:
    """A place on the axis from 0 to 1, with a margin in which a dot at its end is whole."""
    return f"{1.5 + 97 * min(max(value, 0.0), 1.0):.2f}%"


def _table(name: str, legs: Sequence[Leg]) -> str:
    head = "".join(f"<th>{TITLES[metric]}</th>" for metric in METRICS)
    lines = "".join(
        f"<tr><td>{escape(leg.name)}</td>{''.join(_cell(leg.figures[metric]) for metric in METRICS)}</tr>"
        for leg in legs
    )
    return f"<table><tr><th>{escape(name or 'leg')}</th>{head}</tr>{lines}</table>"


def _cell(figure: Figure) -> str:
    return f'<td class="n">{figure.value:.3f} <small>{figure.low:.2f}-{figure.high:.2f}</small></td>'


def _latency(named: Sequence[tuple[str, Report]]) -> Iterator[str]:
    if not any(report.latency_ms for _, report in named):
        return
    levels = list(named[0][1].latency_ms)
    yield "<h2>How long a search takes</h2>"
    timed = several(named[0][1].timed, "query", "queries")
    yield f'<p class="soft">milliseconds of one search of ten hits, {timed}</p>'
    head = "".join(f"<th>{escape(level)}</th>" for level in levels)
    rows = "".join(_times(name, report.latency_ms, levels) for name, report in named)
    yield f'<div class="scroll"><table><tr><th></th>{head}</tr>{rows}</table></div>'


def _times(name: str, times: Mapping[str, float], levels: Sequence[str]) -> str:
    cells = "".join(f'<td class="n">{times[level]:,.0f}</td>' for level in levels if level in times)
    return f"<tr><td>{escape(name or 'ms')}</td>{cells}</tr>"


def _misses(report: Report) -> Iterator[str]:
    if not report.misses:
        return
    yield "<h2>Not among the first ten</h2>"
    yield f'<p class="soft">{several(len(report.misses), "query", "queries")} of {report.queries:,}, any leg</p>'
    lines = "".join(
        f"<tr><td>{escape(miss.query)}</td><td>{escape(_short(miss.wanted[0]))}</td><td>{escape(_short(miss.first))}</td></tr>"
        for miss in report.misses[:MISSES]
    )
    head = "<tr><th>query</th><th>wanted</th><th>found first</th></tr>"
    yield f'<div class="scroll"><table>{head}{lines}</table></div>'
    if len(report.misses) > MISSES:
        yield f'<p class="soft">and {len(report.misses) - MISSES:,} more</p>'


def _short(label: str) -> str:
    """The last part of a document's name."""
    return unquote(label.rstrip("/").rsplit("/", 1)[-1])


def _compared(comparison: Comparison | None) -> Iterator[str]:
    if comparison is None:
        return
    first, second = comparison.names
    yield "<h2>Two models</h2>"
    yield f"<p>nDCG@10 of all legs with {escape(second)}, less that with {escape(first)}, query by query:</p>"
    for title, figure in comparison.differences.items():
        yield f"<p><b>{escape(title)}</b> {escape(signed(figure))}</p>"


def _tuned(tuned: Tuned | None) -> Iterator[str]:
    if tuned is None:
        return
    yield "<h2>Weights of the legs</h2>"
    yield f"<p>{escape(tuned.told)}</p>"
    yield f"<pre>{escape(tuned.setting)}</pre>"
