"""How much memory a process may still take: of the machine, or of its control group where that is less."""

from __future__ import annotations

from pathlib import Path

import psutil

GROUP = Path("/sys/fs/cgroup")


def available_bytes(group: Path = GROUP) -> int:
    """What can be had without swapping; cached files count as free."""
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = int((group / "memory.max").read_text()), int((group / "memory.current").read_text())
        facts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group, or no limit ("max")
        return free
    return max(0, min(free, limit - used + int(facts.get("inactive_file", 0))))
