"""The page of an evaluation: everything escaped, nothing fetched, readable in both colours and on a phone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.evaluate.figures import METRICS, Figure
from pipeline.evaluate.page import page
from pipeline.evaluate.report import ALL_LEGS, Comparison, Leg, Miss, Report, Section, Tuned

ROOT = Path(__file__).parents[1]
EVIL = "<script>alert(1)</script>\"'&"


def section(to: str, value: float) -> Section:
    figures = {metric: Figure(value, max(0.0, value - 0.1), min(1.0, value + 0.1)) for metric in METRICS}
    return Section(to, 40, tuple(Leg(leg, figures) for leg in (ALL_LEGS, "text", "bm25")))  # type: ignore[arg-type]


def report(value: float = 0.7) -> Report:
    return Report(
        store=f"/data/{EVIL}",
        models={"unified": f"m{EVIL}@1"},
        rows={"text": 1200, "image": 30, "page": 4},
        source=f"q{EVIL}.jsonl",
        known_items=False,
        queries=40,
        missing=0,
        sections=(section("any", value), section("text", value), section("image", value / 2)),
        latency_ms={"p50": 41.0, "p95": 90.5},
        timed=39,
        notes=(f"note {EVIL}",),
        misses=tuple(Miss(f"question {EVIL}", (f"file:///a/{EVIL}.pdf#3",), f"file:///b/{EVIL}") for _ in range(60)),
    )


def both() -> str:
    one = Figure(0.02, -0.01, 0.05)
    compared = Comparison(("old", f"new{EVIL}"), (report(), report(0.8)), {"text → text": one})
    return page(report(), compared, Tuned({"text": 1.0, "bm25": 0.5}, 20, 20, one, one, one))


class Tags(HTMLParser):
    """Every element with its attributes, and whether all of them were closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("html", [page(report()), both()])
def test_nothing_of_documents_questions_or_settings_becomes_markup(html: str) -> None:
    """Each is there as text; there is no script and nothing that is fetched."""
    tags = Tags()
    tags.feed(html)

    assert tags.open == []
    assert {tag for tag, _ in tags.found} & {"script", "img", "iframe", "link", "object", "a"} == set()
    assert not any(name in attributes for _, attributes in tags.found for name in ("src", "href", "onload", "style"))
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 50
    assert "url(" not in html
    assert "@import" not in html


def test_charts_show_each_figure_at_its_place() -> None:
    """A dot at the value, a line over the interval, inside of the picture; both models of a comparison."""
    html = both()
    places = [float(place) for place in re.findall(r'cx="([\d.]+)%"', html)]

    assert f'cx="{1.5 + 97 * 0.7:.2f}%"' in html
    assert f'cx="{1.5 + 97 * 0.8:.2f}%"' in html
    assert min(places) > 0
    assert max(places) < 100
    assert len(places) == 3 * 3 * 2 * 2
    assert "0.700, from 0.600 to 0.800" in html


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_both_colours(tmp_path: Path, scheme: str) -> None:
    """360 pixels wide nothing has to be moved sideways but tables in frames of their own; text stands out."""
    from browser import contrast, opened

    file = tmp_path / "report.html"
    file.write_text(both(), encoding="utf-8")
    with opened(file, width=360, scheme=scheme) as tab:
        wide = tab.evaluate("document.documentElement.scrollWidth")
        small = tab.evaluate("Math.min(...[...document.querySelectorAll('svg')].map(e => e.clientWidth))")
        colours = tab.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )

    assert wide <= 360
    assert small > 100
    assert contrast(*colours) > 7


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.timeout(600)
def test_the_samples_are_measured_and_shown(tmp_path: Path) -> None:
    """Real models, no judgements: a report in less than five minutes, and its page looked at.

    With DOCMILL_PICTURES=1 the screenshot becomes the one of docs/evaluate.md.
    """
    from browser import opened

    store, html = str(tmp_path / "store"), tmp_path / "report.html"
    ingested = docmill("ingest", "sample_docs", "--store", store, "--json")
    started = time.monotonic()
    done = docmill("evaluate", "--store", store, "--html", str(html), "--json")
    seconds = time.monotonic() - started
    assert (ingested.returncode, done.returncode) == (3, 0), ingested.stderr + done.stderr
    shown = ROOT / "docs/pictures/evaluate.png" if os.environ.get("DOCMILL_PICTURES") else tmp_path / "shown.png"
    with opened(html, width=820, height=900) as tab:
        title = tab.evaluate("document.querySelector('h1').textContent")
        charts = tab.evaluate("document.querySelectorAll('svg circle').length")
        tab.evaluate(f"document.querySelector('dd').textContent = {json.dumps('docmill-data')}")
        tab.screenshot(path=shown)

    assert title == "What searches find"
    assert charts >= 2 * 4
    assert seconds < 300
    assert 10_000 < shown.stat().st_size < 200_000


def docmill(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
