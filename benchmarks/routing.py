"""Print how the PDFs of a folder are routed, why, and the milliseconds a page takes: `routing.py FOLDER`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from pipeline.config import Limits
from pipeline.errors import DocmillError
from pipeline.parse import ParseOptions
from pipeline.parse.pdf import parse
from pipeline.route import route
from pipeline.types import Blob, Failure, Page


def main(folder: Path) -> None:
    mix: Counter[str] = Counter()
    seconds = 0.0
    for path in sorted(folder.rglob("*.pdf")):
        start = time.perf_counter()
        counts = routed(path)
        seconds += time.perf_counter() - start
        mix += counts
        print(f"{path.name[:50]:50} {dict(counts)}", flush=True)
    pages = sum(count for reason, count in mix.items() if not reason.startswith("!"))
    print(f"\n{pages} pages, {1000 * seconds / max(1, pages):.0f} ms a page")
    for reason, count in mix.most_common():
        print(f"{count:6}  {reason}")


def routed(path: Path) -> Counter[str]:
    """Pages by path and reason; `!` marks failures."""
    blob = Blob(path.as_uri(), path, "", path.stat().st_size, "application/pdf", path.name)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as work:
        try:
            for event in parse(blob, Path(work), ParseOptions(Limits(), route)):
                if isinstance(event, Page):
                    counts[f"{event.route.path}: {event.route.reason}"] += 1
                elif isinstance(event, Failure):
                    counts[f"! {event.error}"] += 1
        except DocmillError as error:
            counts[f"! {type(error).__name__}"] += 1
    return counts


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
