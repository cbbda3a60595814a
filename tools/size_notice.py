"""Says so before a set-up downloads more than 2 GB: torch's default build on Linux brings its CUDA libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"


def main(environment: str) -> None:
    pinned = next(line.strip() for line in LOCK.read_text().splitlines() if line.startswith("torch=="))
    pip = [f"{environment}/bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    command = [*pip, "install", "--dry-run", "--report", "-", "--no-deps", pinned]
    report = subprocess.run(command, capture_output=True, text=True, check=False)
    if report.returncode == 0 and any(map(_brings_cuda, json.loads(report.stdout).get("install", []))):
        print(
            f"Note: {pinned} comes here with its CUDA libraries, 2 to 4 GB to download. For the smaller CPU build "
            f"stop now, install that version into {environment} first (README, «CPU or CUDA»), and run this again."
        )


def _brings_cuda(item: dict[str, dict[str, object]]) -> bool:
    needs = item["metadata"].get("requires_dist", [])
    cpu_build = "+cpu" in str(item["metadata"]["version"])
    linux = sys.platform.startswith("linux")
    return linux and not cpu_build and any("nvidia" in need or "cuda" in need for need in needs)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(sys.argv[1])
