"""The demo: ingests sample_docs/ through the Prefect flow and asks three questions of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCMILL = Path(sys.executable).with_name("docmill")
QUESTIONS = (  # (what it shows, arguments of docmill search)
    ("A question that a passage answers", ["how much energy does the mill make in a year?"]),
    ("Words that a photograph answers", ["a cat looking at the camera", "--modality", "image"]),
    ("Words that stand only on a scanned page", ["repair of the sluice gate", "--modality", "page"]),
)


def main() -> int:
    status = run("ingest", "sample_docs")
    if status not in (0, 3):
        return status
    for title, arguments in QUESTIONS:
        print(f"\n{title}:", flush=True)
        if (status := run("search", *arguments, "-k", "2")) != 0:
            return status
    return 0


def run(*arguments: str) -> int:
    """Run one docmill command in the project's folder, shown as a person would type it."""
    shown = " ".join(f'"{a}"' if " " in a else a for a in arguments)
    print(f"$ docmill {shown}", flush=True)
    return subprocess.run([DOCMILL, *arguments], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
