"""Runs a command to its end and watches the memory of its process tree. Knows nothing of docmill."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: its exit code and output, seconds, the largest sums over its process tree, and its own largest size.

    RSS counts shared pages once for each process, PSS once in all; PSS is 0 where the system does not tell.
    """

    code: int
    output: str
    seconds: float
    rss_mb: float
    pss_mb: float
    own_mb: float  # RSS of the process that was started, without those that it started
    processes: int


def measure(command: Sequence[str], environment: Mapping[str, str], timeout_s: float = 3600) -> Measured:
    """Run `command` with additions to the environment; standard error is passed on. TimeoutError after `timeout_s`."""
    started = time.monotonic()
    rss = pss = own = count = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        with subprocess.Popen(command, stdout=output, env={**os.environ, **environment}) as process:
            root = psutil.Process(process.pid)
            while process.poll() is None:
                sizes = [size for member in _tree(root) if (size := _memory(member)) is not None]
                rss, pss = max(rss, sum(one for one, _ in sizes)), max(pss, sum(two for _, two in sizes))
                own, count = max(own, sizes[0][0] if sizes else 0), max(count, len(sizes))
                if time.monotonic() - started > timeout_s:
                    process.kill()
                    raise TimeoutError(f"not done after {timeout_s:g} s: {' '.join(command)}")
                time.sleep(EVERY_S)
        output.seek(0)
        text, seconds = output.read(), time.monotonic() - started
    return Measured(process.returncode, text, seconds, rss / 2**20, pss / 2**20, own / 2**20, count)


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> tuple[int, int] | None:
    """(RSS, PSS) in bytes; PSS is 0 where the system does not tell."""
    try:
        rss = process.memory_info().rss
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
        return rss, next((int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith("Pss:")), 0)
    except (psutil.Error, FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        return rss, 0
