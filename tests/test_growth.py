"""Plots and tables of `benchmarks.growth`, and its steps on a small store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.growth import charts, load, repeated, save, with_tables
from benchmarks.growth_steps import World, index, search, write
from benchmarks.plot import COLOURS, INK, Chart, Line, apart, draw, ticks

SVG = "{http://www.w3.org/2000/svg}"
PAGE = "# Growth\n\n<!-- documents -->\n<!-- /documents -->\n\nand\n\n<!-- rows -->\n<!-- /rows -->\n\nwhy\n"


def chart(*lines: Line) -> Chart:
    return Chart("A <title>", "rows", lines, lambda value: f"{value:g} s")


def found(step: str, size: int, **figures: float) -> dict[str, Any]:
    return {"step": step, "size": size, "seconds": 2.0, "cpu_s": 3.0, "pss_mb": 400, **figures}


def texts(svg: str) -> dict[str, ElementTree.Element]:
    return {node.text or "": node for node in ElementTree.fromstring(svg).iter(f"{SVG}text")}


def places(svg: str) -> list[tuple[float, float]]:
    """Of all marks, in the order they are drawn."""
    moved = re.findall(r'transform="translate\(([\d.]+) ([\d.]+)\)"', svg)
    return [(float(x), float(y)) for x, y in moved]


def test_growth_in_proportion_is_a_straight_line() -> None:
    """Ten times the rows are as far apart as the next ten times, on both axes, and more is higher."""
    (x0, y0), (x1, y1), (x2, y2) = places(draw(chart(Line("write", [(1e3, 1), (1e4, 10), (1e5, 100)]))))

    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert y0 > y2


def test_a_chart_names_its_axes_and_lines() -> None:
    """The title is escaped; sizes, powers of ten and the names of the lines are there."""
    shown = texts(draw(chart(Line("write", [(1e3, 1), (1e6, 1e3)]), Line("index", [(1e3, 2), (1e6, 900)]))))

    assert {"A <title>", "rows", "1,000", "1,000,000", "1 s", "1000 s", "write", "index"} <= set(shown)


def test_names_of_lines_do_not_touch() -> None:
    """Lines that end at the same place have names one below the other, inside of the picture."""
    names = texts(draw(chart(*(Line(name, [(1, 1), (10, 5)]) for name in "abc"))))
    heights = sorted(float(names[name].attrib["y"]) for name in "abc")

    assert heights[1] - heights[0] >= 14
    assert heights[2] - heights[1] >= 14
    assert apart([1, 1], 10, 0, 100) == [0, 10]
    assert apart([99, 99], 10, 0, 100) == [90, 100]


def test_names_of_sizes_do_not_touch() -> None:
    """A size between two powers of ten has a mark, and a name if there is room for one."""
    narrow = draw(chart(Line("write", [(1e3, 1), (1e5, 9), (3e5, 20), (1e6, 99)])))
    wide = draw(chart(Line("write", [(1e5, 9), (3e5, 20), (1e6, 99)])))

    assert {"1,000", "100,000", "1,000,000"} <= set(texts(narrow))
    assert "300,000" not in texts(narrow)
    assert {"100,000", "300,000", "1,000,000"} <= set(texts(wide))


def test_ink_is_readable_on_light_and_dark() -> None:
    """Contrast by WCAG 2 of at least 4 to white and to a dark page (#0d1117)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for ink in (INK, *COLOURS):
        assert 1.05 / (luminance(ink) + 0.05) >= 4, ink
        assert (luminance(ink) + 0.05) / (luminance("#0d1117") + 0.05) >= 4, ink


def test_a_line_that_is_flat_or_has_one_point_is_drawn() -> None:
    assert len(places(draw(chart(Line("flat", [(10, 3), (100, 3)]))))) == 2
    assert len(places(draw(chart(Line("one", [(10, 3)]))))) == 1


@pytest.mark.parametrize("points", [[], [(1, 0)], [(0, 1)], [(1, -2)]])
def test_what_has_no_logarithm_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        draw(chart(Line("write", points)))


def test_ticks_are_few_and_round() -> None:
    assert ticks(0.5, 2_000) == [1, 10, 100, 1_000]
    assert ticks(40, 900) == [50, 100, 200, 500]


def test_the_newest_figure_of_a_step_and_size_counts(tmp_path: Path) -> None:
    """Lines of others stay, all in the order of steps and sizes."""
    path = tmp_path / "growth.jsonl"
    for line in (found("write", 10_000), found("write", 1_000, seconds=1.0), found("write", 10_000, seconds=9.0)):
        save(path, line)

    assert [size for _, size in load(path)] == [1_000, 10_000]
    assert load(path)["write", 10_000]["seconds"] == 9.0


def test_several_runs_give_medians_and_the_highest_peak() -> None:
    seconds = iter([5.0, 1.0, 2.0])
    (line,) = repeated(lambda: iter([found("ingest", 100, seconds=(s := next(seconds)), pss_mb=s * 100)]), 3)

    assert line == found("ingest", 100, pss_mb=500) | {"runs": 3}


def test_tables_have_the_sizes_of_which_all_was_measured() -> None:
    """What stands around the tables stays; drawn again, the page is the same."""
    results = {
        ("ingest", 100): found("ingest", 100),
        ("unchanged", 100): found("unchanged", 100, seconds=0.5, pss_mb=40),
        ("ingest", 1_000): found("ingest", 1_000),
    }
    page = with_tables(PAGE, results)

    assert "| 100 | 2.0 s | 20 ms | 3.0 s | 400 MB | 0.50 s | 40 MB |" in page
    assert "| 1,000 |" not in page
    assert page.startswith("# Growth\n\n")
    assert page.endswith("<!-- /rows -->\n\nwhy\n")
    assert with_tables(page, results) == page


def test_charts_show_what_was_measured() -> None:
    """One chart a question, none for what nothing is known of."""
    drawn = charts({("ingest", 100): found("ingest", 100), ("ingest", 1_000): found("ingest", 1_000, seconds=20.0)})

    assert set(drawn) == {"documents-time", "documents-memory"}
    assert drawn["documents-time"].lines == [Line("first run", [(100, 2.0), (1_000, 20.0)])]


def test_rows_are_written_indexed_and_searched(tmp_path: Path) -> None:
    """The real store; a search finds rows, and each step says how long it took."""
    wrote, indexed, searched = write(tmp_path, 300), index(tmp_path), search(tmp_path)

    assert wrote["seconds"] == pytest.approx(wrote["first_s"])
    assert indexed["store_mb"] > 0.3
    assert 0 < searched["seconds"] <= searched["p95_s"]
    with pytest.raises(AssertionError, match="in use"):
        write(tmp_path, 300)


def test_a_row_and_a_question_depend_on_their_number_alone() -> None:
    """Blocks are made anew for questions, so that a million rows need not be held."""
    rows, again = World().rows(1, 100), World().rows(1, 100)
    text, tokens, vector = World().question(2_007)

    assert [row.text for row in rows] == [row.text for row in again]
    assert {row.modality for row in rows} == {"text", "image", "page"}
    assert [row.modality for row in rows].count("page") == 2
    assert set(text.split()) <= set(rows[7].text.split())
    assert float(vector @ rows[7].vector) > 0.7
    assert tokens.shape == (12, 128)
