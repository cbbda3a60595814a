"""Time and memory by the size of a corpus, as tables and plots: documents of an ingest, rows of a store.

    python -m benchmarks.growth documents 100 1000 10000    # a first run, and one with nothing changed
    python -m benchmarks.growth rows 1000 10000 100000      # write, index, search
    python -m benchmarks.growth rows 1000000 --keep FOLDER --only index     # of what `--only write` left there
    python -m benchmarks.growth draw                        # tables and plots anew from what was measured

Every step is a process of its own; memory is that of its process tree at its peak, shared pages counted once (PSS).
What was measured stands in `growth.jsonl`, the newest figure for a step and a size; `docs/growth.md` and the pictures
beside it are made from that.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.plot import Chart, Line, draw
from benchmarks.process_tree import measure
from benchmarks.unchanged import write

RESULTS = Path(__file__).with_name("growth.jsonl")
PAGE = Path("docs/growth.md")
PICTURES = Path("docs/pictures")
STEPS = ("write", "index", "search")
TIMEOUT_S = 3600

Results = Mapping[tuple[str, int], Mapping[str, Any]]  # (step, size) -> figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("documents", "rows", "draw"))
    parser.add_argument("sizes", nargs="*", type=int)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each size; their medians count")
    parser.add_argument("--only", choices=STEPS, action="append", help="of what rows go through")
    parser.add_argument("--keep", type=Path, help="leave the stores of rows in this folder")
    given = parser.parse_args()
    of_rows = partial(rows, steps=given.only or STEPS, keep=given.keep)
    steps = {"documents": documents, "rows": of_rows}.get(given.what)
    for size in given.sizes if steps else ():
        for found in repeated(lambda size=size: steps(size), given.repeat):  # type: ignore[misc]
            print(json.dumps(found), flush=True)
            save(RESULTS, found)
    results = load(RESULTS)
    for name, chart in charts(results).items():
        (PICTURES / f"growth-{name}.svg").write_text(draw(chart), encoding="utf-8")
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


def repeated(steps: Callable[[], Iterator[dict[str, Any]]], times: int) -> Iterator[dict[str, Any]]:
    """One line a step: the medians of several runs, the highest peak, and how many runs there were."""
    for together in zip(*(list(steps()) for _ in range(times)), strict=True):
        numbers = [key for key, value in together[0].items() if isinstance(value, float)]
        middle = {key: round(median(one[key] for one in together), 4) for key in numbers}
        yield together[0] | middle | {"pss_mb": round(max(one["pss_mb"] for one in together)), "runs": times}


def documents(size: int) -> Iterator[dict[str, Any]]:
    """Text files of 60 words through the real command with its temporary Prefect server."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write(home / "docs", size)
        for step in ("ingest", "unchanged"):
            cpu = _children_s()
            run = measure(_docmill("ingest", str(home / "docs"), "--store", str(home / "store")), {}, TIMEOUT_S)
            report = json.loads(run.output.splitlines()[-1])
            assert report["indexed" if step == "ingest" else "unchanged"] == size, report
            yield _found(step, size, run.pss_mb, {"seconds": run.seconds, "cpu_s": _children_s() - cpu})


def rows(size: int, steps: Sequence[str] = STEPS, keep: Path | None = None) -> Iterator[dict[str, Any]]:
    """Rows made by lot through the real store."""
    with tempfile.TemporaryDirectory() as name:
        folder = str(keep / str(size)) if keep else name
        for step in steps:
            command = [sys.executable, "-m", "benchmarks.growth_steps", step, folder, "--rows", str(size)]
            run = measure(command, {}, TIMEOUT_S)
            if run.code:
                raise SystemExit(f"{step} of {size:,} rows ended with {run.code}")
            yield _found(step, size, run.pss_mb, json.loads(run.output.splitlines()[-1]))


def _docmill(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli", *arguments, "--json"]


def _found(step: str, size: int, pss_mb: float, figures: Mapping[str, float]) -> dict[str, Any]:
    known = {"step": step, "size": size, "measured": str(dt.date.today()), "cores": os.cpu_count()}
    return known | dict(figures) | {"pss_mb": pss_mb}


def _children_s() -> float:
    """Processor seconds of the processes that ended below this one."""
    return os.times().children_user + os.times().children_system


def load(path: Path) -> Results:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {(line["step"], line["size"]): line for line in map(json.loads, lines)}


def save(path: Path, found: Mapping[str, Any]) -> None:
    """Add a line, in place of the one of the same step and size."""
    results = {**load(path), (found["step"], found["size"]): found}
    lines = [json.dumps(results[key]) for key in sorted(results)]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


def charts(results: Results) -> dict[str, Chart]:
    """By name; those of which nothing was measured are left out."""
    found = {}
    many = (
        ("documents-time", "Seconds of a run", "documents", seconds, ("ingest", "unchanged"), "seconds"),
        ("documents-memory", "Memory of a run", "documents", megabytes, ("ingest", "unchanged"), "pss_mb"),
        ("rows-time", "Seconds to write rows and to make all indexes", "rows", seconds, ("write", "index"), "seconds"),
        ("rows-search", "A search of all legs, without the models", "rows", seconds, ("search",), "seconds"),
        ("rows-memory", "Memory to write, index and search rows", "rows", megabytes, STEPS, "pss_mb"),
    )
    names = {"ingest": "first run", "unchanged": "nothing changed"}
    for name, title, x_label, unit, steps, figure in many:
        lines = [Line(names.get(step, step), _points(results, step, figure)) for step in steps]
        if name == "rows-search":
            lines = [
                Line("first, with opening", _points(results, "search", "first_s")),
                Line("95th percentile", _points(results, "search", "p95_s")),
                Line("median", _points(results, "search", "seconds")),
            ]
        if lines := [line for line in lines if line.points]:
            found[name] = Chart(title, x_label, lines, unit, guide=name.endswith("-time"))
    return found


def _points(results: Results, step: str, figure: str) -> list[tuple[float, float]]:
    return [(size, results[name, size][figure]) for name, size in sorted(results) if name == step]


def seconds(value: float) -> str:
    """
    >>> seconds(0.02), seconds(2.0), seconds(1000.0)
    ('20 ms', '2 s', '1,000 s')
    """
    return f"{value * 1e3:g} ms" if value < 1 else f"{value:,.0f} s"


def megabytes(value: float) -> str:
    return f"{value:,.0f} MB" if value < 10_000 else f"{value / 1e3:,.0f} GB"


def with_tables(page: str, results: Results) -> str:
    """The page with its tables made anew; what is around them stays."""
    for name, table in (("documents", documents_table(results)), ("rows", rows_table(results))):
        before, _, rest = page.partition(f"<!-- {name} -->")
        _, _, after = rest.partition(f"<!-- /{name} -->")
        page = "\n".join([f"{before}<!-- {name} -->", *table, f"<!-- /{name} -->{after}"])
    return page


def documents_table(results: Results) -> list[str]:
    table = [
        "| documents | first run | a document | processor time | peak memory | nothing changed | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in _sizes(results, ("ingest", "unchanged")):
        first, again = results["ingest", size], results["unchanged", size]
        each = f"{first['seconds'] / size * 1e3:.0f} ms"
        table.append(
            f"| {size:,} | {first['seconds']:.1f} s | {each} | {first['cpu_s']:.1f} s | {first['pss_mb']:,.0f} MB "
            f"| {again['seconds']:.2f} s | {again['pss_mb']:,.0f} MB |"
        )
    return table


def rows_table(results: Results) -> list[str]:
    table = [
        "| rows | write | a commit of 2,000, first and last | index | processor time | search, median | 95 % | first "
        "| on disk | peak memory: write | index | search |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for size in _sizes(results, STEPS):
        wrote, indexed, found = (results[step, size] for step in STEPS)
        search = " | ".join(f"{found[key] * 1e3:.0f} ms" for key in ("seconds", "p95_s", "first_s"))
        memory = " | ".join(f"{one['pss_mb']:,.0f} MB" for one in (wrote, indexed, found))
        table.append(
            f"| {size:,} | {wrote['seconds']:.1f} s | {wrote['first_s'] * 1e3:.0f}, {wrote['last_s'] * 1e3:.0f} ms "
            f"| {indexed['seconds']:.1f} s | {indexed['cpu_s']:.1f} s | {search} | {indexed['store_mb']:,.0f} MB "
            f"| {memory} |"
        )
    return table


def _sizes(results: Results, steps: Sequence[str]) -> list[int]:
    """Of which all steps were measured."""
    sizes = sorted({size for _, size in results})
    return [size for size in sizes if all((step, size) in results for step in steps)]


if __name__ == "__main__":
    main()
