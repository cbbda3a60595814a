"""How fast docmill is beside what stands for the same work: one table, rewritten into `benchmarks/README.md`.

    python -m benchmarks                       # embed, pdf, cold: some minutes
    python -m benchmarks ocr write --pairs 5   # parts by name, or all
    python -m benchmarks all --dry-run         # print the table, leave the page
    python -m benchmarks kreuzberg llamaindex --peers ~/peers/bin/python

Parts: ingest, sample (the same of every fifth file), embed, ocr, pdf, write, unchanged (docmill beside another
system, in turns), and cold (whole commands, by the clock). unstructured, kreuzberg, pymupdf4llm, pymupdf4llm-plain and
llamaindex are other systems that the interpreter of `--peers` can import; one that it cannot is skipped. A part that
was not run keeps its line. Ends with 1 if a part misses what is asked of it.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from benchmarks.cold import Cold
from benchmarks.pairs import Compared

DATA = Path("../shared/data/dev")
PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- speed -->", "<!-- /speed -->"
QUICK = ("embed", "pdf", "cold")
PARTS: Mapping[str, str] = {  # name -> "module:function"; in the order of the table
    "ingest": "benchmarks.whole:ingest",
    "sample": "benchmarks.whole:sample",
    "embed": "benchmarks.speed:embed",
    "ocr": "benchmarks.ocr:ocr",
    "pdf": "benchmarks.speed:pdf",
    "write": "benchmarks.speed:write",
    "unchanged": "benchmarks.unchanged:compare",
    "cold": "benchmarks.cold:cold",
}
PEERS: Mapping[str, str] = {  # these are given an interpreter, too
    "unstructured": "benchmarks.peers:unstructured",
    "kreuzberg": "benchmarks.peers:kreuzberg",
    "pymupdf4llm": "benchmarks.peers:pymupdf4llm",
    "pymupdf4llm-plain": "benchmarks.peers:plain",
    "llamaindex": "benchmarks.pipelines:llamaindex",
}
ORDER = {name: place for place, name in enumerate([*PARTS, *PEERS])}
HEAD = (
    "| part | docmill beside | times as fast, by the clock | by processor time | asked | seconds | measured |",
    "|---|---|---|---|---|---|---|",
)

Result = Compared | Cold
Part = Callable[[Path, int], Sequence[Result]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"default: {' '.join(QUICK)}")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--peers", default=sys.executable, metavar="PYTHON", help="has the other systems installed")
    parser.add_argument("--dry-run", action="store_true", help="leave benchmarks/README.md as it is")
    given = parser.parse_args()
    names = tuple(ORDER) if "all" in given.parts else given.parts or QUICK
    if unknown := set(names) - set(ORDER):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are: {', '.join(ORDER)}, all")
    results: list[Result] = []
    for name in (name for name in ORDER if name in names):
        print(f"{name}:", flush=True)
        found = _part(name, given.peers)(given.data.resolve(), given.pairs)
        print("\n".join(map(line, found)), flush=True)
        results += found
    if not given.dry_run:
        PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    missed = [result.part for result in results if not result.is_met]
    raise SystemExit(f"missed: {', '.join(missed)}" if missed else 0)


def rewritten(page: str, results: Sequence[Result]) -> str:
    """The page with these results in its table; other lines are kept, all in the order of the parts."""
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    kept = {text.split("|")[1].strip(): text for text in table.splitlines()[3:] if text.startswith("|")}
    lines = kept | {result.part: line(result) for result in results}
    body = sorted(lines, key=lambda part: ORDER[part.split()[0]])
    return "\n".join([f"{before}{BEGIN}", *HEAD, *(lines[part] for part in body), f"{END}{after}"])


def line(result: Result) -> str:
    """One line of the table."""
    when = f"{dt.date.today()}, {os.cpu_count()} cores"
    if isinstance(result, Cold):
        seconds = (
            f"**{result.middle_s:.1f}** ({result.least_s:.1f} to {result.most_s:.1f}), {result.cpu_s:.1f} processor"
        )
        return f"| {result.part} | {result.work} | | | {result.most_asked_s:g} s | {seconds} | {when} |"
    ours, theirs = result.seconds
    work = f"{result.work}: {result.beside}" + f"; {result.note}" * bool(result.note)
    ratios = f"**{result.clock.middle:.2f}** ({result.clock.least:.2f} to {result.clock.most:.2f}) | {result.cpu}"
    count = f", {len(result.pairs)} pair{'s' * (len(result.pairs) > 1)}"
    return f"| {result.part} | {work} | {ratios} | {result.asked:g} | {ours:.1f}, {theirs:.1f} | {when}{count} |"


def _part(name: str, peers: str) -> Part:
    module, _, function = {**PARTS, **PEERS}[name].partition(":")
    part = getattr(import_module(module), function)
    return partial(part, python=peers) if name in PEERS else part


if __name__ == "__main__":
    main()
