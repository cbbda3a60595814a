"""Peak memory of an ingest by the length of a document and by the number of files.

    python -m benchmarks.memory                        # PDFs of 500 and 5,000 pages, folders of 500 and 5,000 files
    python -m benchmarks.memory --small 200 --large 2000 --only pages

Memory is that of the whole process tree (the command, its parse workers, the temporary Prefect server), sampled five
times a second; PSS counts shared pages once. Ends with 1 above 1.3 times for ten times the pages, or 1.2 times for the
files.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.process_tree import Measured, measure

COMMAND = (sys.executable, "-m", "cli")
WORDS = ("tide", "wheel", "sluice", "gate", "mill", "stone", "flour", "river", "water", "grain", "harbour", "ledger")
MOST = {"pages": 1.3, "files": 1.2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=500)
    parser.add_argument("--large", type=int, default=5000)
    parser.add_argument("--only", choices=WRITERS)
    given = parser.parse_args()
    failed = False
    for kind in [given.only] if given.only else WRITERS:
        small, large = (peak(kind, count) for count in (given.small, given.large))
        ratio = large.pss_mb / small.pss_mb
        print(f"{given.large:,} against {given.small:,} {kind}: {ratio:.2f} times the PSS", flush=True)
        failed |= ratio > MOST[kind]
    raise SystemExit(int(failed))


def peak(kind: str, count: int) -> Measured:
    """One ingest of so many pages or files into a new store."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "docs"
        folder.mkdir()
        WRITERS[kind](folder, count)
        run = measure([*COMMAND, "ingest", str(folder), "--store", f"{name}/store", "--json"], {})
    if run.code != 0:
        raise SystemExit(f"the command ended with {run.code}")
    print(
        f"{count:>6,} {kind}: {run.seconds:6.1f} s, PSS {run.pss_mb:6,.0f} MB, RSS {run.rss_mb:6,.0f} MB, the command "
        f"itself {run.own_mb:6,.0f} MB, {run.processes} processes",
        flush=True,
    )
    return run


def write_pages(folder: Path, count: int) -> None:
    """One PDF, each page a heading and a paragraph of its own."""
    import pymupdf

    chance = random.Random(count)
    with pymupdf.open() as document:
        for number in range(count):
            page = document.new_page()
            page.insert_text((72, 72), f"Section {number}", fontsize=18)
            page.insert_textbox((72, 100, 500, 700), " ".join(chance.choices(WORDS, k=40)))
        document.save(folder / "long.pdf", garbage=3, deflate=True)


def write_files(folder: Path, count: int) -> None:
    chance = random.Random(count)
    for number in range(count):
        (folder / f"{number:05}.txt").write_text(f"file {number}: {' '.join(chance.choices(WORDS, k=40))}")


WRITERS: Mapping[str, Callable[[Path, int], None]] = {"pages": write_pages, "files": write_files}

if __name__ == "__main__":
    main()
