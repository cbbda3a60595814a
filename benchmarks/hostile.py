"""What a folder of damaged, locked and malicious files does to the real command: outcomes, seconds, peak memory.

    python -m benchmarks.hostile                             # ../shared/data/dev/hostile
    python -m benchmarks.hostile FOLDER --password foo

Memory is that of the whole process tree (the command, its parse workers, the temporary Prefect server), sampled five
times a second: RSS counts shared pages once for each process, PSS (Linux) once in all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from benchmarks.process_tree import Measured, measure

DATA = Path("../shared/data/dev/hostile")
COMMAND = (sys.executable, "-m", "cli")
TARGET_MB = 3000  # peak RSS of all processes together
OUTCOMES = ("indexed", "unchanged", "skipped", "quarantined")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="?", type=Path, default=DATA, help="folder or file to ingest")
    parser.add_argument("--password", action="append", default=[], help="tried on encrypted files; may be repeated")
    parser.add_argument("--store", type=Path, help="keep the store here")
    given = parser.parse_args()
    passwords = {"DOCMILL_SOURCES__PASSWORDS": json.dumps(given.password)} if given.password else {}
    with tempfile.TemporaryDirectory() as folder:
        store = str(given.store or Path(folder) / "store")
        run = measure([*COMMAND, "ingest", str(given.sources), "--store", store, "--json"], passwords)
        if run.code not in (0, 3):
            raise SystemExit(f"the command ended with {run.code}")
        summary = json.loads(run.output.splitlines()[-1])
        failed = json.loads(measure([*COMMAND, "quarantine", "ls", "--store", store, "--json"], {}).output)
    report(run, summary, failed)
    if problems := judge(run, summary, failed):
        raise SystemExit("; ".join(problems))


def report(run: Measured, summary: Mapping[str, Any], failed: Sequence[Mapping[str, Any]]) -> None:
    """Outcomes, then failures by kind, then each failure with its reason."""
    print(f"{summary['discovered']} files: " + ", ".join(f"{summary[name]} {name}" for name in OUTCOMES))
    for (stage, error), number in Counter((one["stage"], one["error"]) for one in failed).most_common():
        print(f"{number:>5}  {stage:<6} {error}")
    for one in failed:
        print(f"       {Path(unquote(one['source_uri'])).name}: {one['reason']}")
    print(f"{run.seconds:.1f} s; peak of {run.processes} processes: {run.rss_mb:,.0f} MB RSS, {run.pss_mb:,.0f} MB PSS")


def judge(run: Measured, summary: Mapping[str, Any], failed: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """What must hold on any folder, as complaints."""
    problems = []
    if summary["discovered"] != sum(summary[name] for name in OUTCOMES):
        problems.append("the outcomes do not add up")
    if any(not one["stage"] or not one["reason"] for one in failed):
        problems.append("a file is quarantined without stage or reason")
    if run.rss_mb > TARGET_MB:
        problems.append(f"more than {TARGET_MB} MB of memory")
    return problems


if __name__ == "__main__":
    main()
