"""A second run with nothing changed, against the first and against merely walking and hashing the files.

    python -m benchmarks.unchanged                     # 10,000 files
    python -m benchmarks.unchanged --files 2000 --pairs 5

Command and walk are processes of their own, in turns; so are both over a single file, which tells what starting costs.
Ends with 1 if the second run takes more than 3 % of the first, or the work on the files more than twice the walk's.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.measure import ingest

WORDS = ("tide", "wheel", "sluice", "gate", "mill", "stone", "flour", "river", "water", "grain", "harbour", "ledger")
WALK = """
import hashlib, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            hashlib.sha256(file.read()).hexdigest()
"""
MOST_OF_FIRST, MOST_OF_WALK = 0.03, 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write(home / "many", given.files)
        write(home / "one", 1)
        first_s = timed(lambda: ingest(home / "store", home / "many"))
        ingest(home / "store-of-one", home / "one")
        runs = [measure(home) for _ in range(given.pairs)]
    raise SystemExit(report(given.files, first_s, runs))


def write(folder: Path, files: int) -> None:
    """Text files of 60 words, a hundred in a folder."""
    chance = random.Random(files)
    for number in range(files):
        path = folder / f"{number // 100:04}" / f"{number:06}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}: {' '.join(chance.choices(WORDS, k=60))}")


def measure(home: Path) -> dict[str, float]:
    """Seconds of each process once, one after the other."""
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


def timed(action) -> float:  # type: ignore[no-untyped-def]
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def report(files: int, first_s: float, runs: Sequence[dict[str, float]]) -> int:
    """Print the medians and their ratios; gives the exit code."""
    middle = {name: median(run[name] for run in runs) for name in runs[0]}
    work_s, walk_s = middle["run"] - middle["run of one"], middle["walk"] - middle["walk of one"]
    print(f"{files:,} files, medians of {len(runs)} interleaved runs")
    print(f"first run {first_s:.1f} s; second {middle['run']:.2f} s, {middle['run'] / first_s:.1%} of it")
    print(
        f"walking and hashing {middle['walk']:.2f} s; the command takes {middle['run'] / middle['walk']:.1f} times that"
    )
    print(f"the same for one file: {middle['run of one']:.2f} s and {middle['walk of one']:.2f} s")
    print(f"so the files themselves: {work_s:.2f} s and {walk_s:.2f} s, ratio {work_s / walk_s:.2f}")
    return int(middle["run"] > MOST_OF_FIRST * first_s or work_s > MOST_OF_WALK * walk_s)


if __name__ == "__main__":
    main()
