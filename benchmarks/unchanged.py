"""A second run with nothing changed, against the first and against merely walking and hashing the files.

    python -m benchmarks unchanged                     # into the table of benchmarks/README.md
    python -m benchmarks.unchanged                     # 10,000 files
    python -m benchmarks.unchanged --files 2000 --pairs 5

Command and walk are processes of their own, in turns; so are both over a single file, which tells what starting costs.
Beside the clock it measures processor time, which others on the machine distort less, and judges by that: it ends with
1 if the second run takes more than 3 % of the first, or the work on the files more than twice the walk's.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.measure import ingest
from benchmarks.pairs import Compared, Took, timed

WORDS = ("tide", "wheel", "sluice", "gate", "mill", "stone", "flour", "river", "water", "grain", "harbour", "ledger")
WALK = """
import hashlib, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            hashlib.sha256(file.read()).hexdigest()
"""
FILES = 10_000
MOST_OF_FIRST, MOST_OF_WALK = 0.03, 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--pairs", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write(home / "many", given.files)
        write(home / "one", 1)
        first = timed(lambda: ingest(home / "store", home / "many"))
        ingest(home / "store-of-one", home / "one")
        runs = [measure(home) for _ in range(given.pairs)]
    raise SystemExit(report(given.files, first, runs))


def compare(_: Path, pairs: int) -> list[Compared]:
    """Whole processes, and the files alone: less what the same processes take over a single file."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write(home / "many", FILES)
        write(home / "one", 1)
        ingest(home / "store", home / "many")
        ingest(home / "store-of-one", home / "one")
        runs = [measure(home) for _ in range(pairs)]
    alone = [(_less(run["run"], run["run of one"]), _less(run["walk"], run["walk of one"])) for run in runs]
    whole = [(run["run"], run["walk"]) for run in runs]
    beside, asked = "walking and hashing", round(1 / 1.5, 2)
    return [
        Compared("unchanged", f"a run over {FILES:,} unchanged files, less its start", beside, asked, alone),
        Compared("unchanged (with starts)", "the same, whole processes", beside, 0.0, whole),
    ]


def _less(took: Took, start: Took) -> Took:
    return Took(max(took.clock_s - start.clock_s, 1e-3), max(took.cpu_s - start.cpu_s, 1e-3))


def write(folder: Path, files: int) -> None:
    """Text files of 60 words, a hundred in a folder."""
    chance = random.Random(files)
    for number in range(files):
        path = folder / f"{number // 100:04}" / f"{number:06}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}: {' '.join(chance.choices(WORDS, k=60))}")


def measure(home: Path) -> dict[str, Took]:
    """Each process once, one after the other."""
    return {
        "run": timed(lambda: unchanged(home / "store", home / "many")),
        "walk": timed(lambda: walk(home / "many")),
        "run of one": timed(lambda: unchanged(home / "store-of-one", home / "one")),
        "walk of one": timed(lambda: walk(home / "one")),
    }


def unchanged(store: Path, folder: Path) -> None:
    done = ingest(store, folder)
    assert done["unchanged"] == done["discovered"], json.dumps(done)


def walk(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", WALK, str(folder)], check=True)


def report(files: int, first: Took, runs: Sequence[Mapping[str, Took]]) -> int:
    """Print the medians and their ratios; gives the exit code."""
    print(f"{files:,} files, medians of {len(runs)} interleaved runs, seconds")
    failed = 0
    for kind in ("clock_s", "cpu_s"):
        run, walked, run_1, walked_1 = (median(getattr(one[name], kind) for one in runs) for name in runs[0])
        took, work, files_only = getattr(first, kind), run - run_1, walked - walked_1
        print(f"{kind:<8} first run {took:.1f}, second {run:.2f} ({run / took:.1%}); of one file {run_1:.2f}")
        print(f"{'':<8} walking and hashing {walked:.2f}, of one file {walked_1:.2f}")
        print(
            f"{'':<8} the files alone: {work:.2f} and {files_only:.2f}, ratio {work / files_only:.2f}; with starts",
            end="",
        )
        print(f" {run / walked:.1f}", flush=True)
        failed = int(run > MOST_OF_FIRST * took or work > MOST_OF_WALK * files_only)
    return failed


if __name__ == "__main__":
    main()
