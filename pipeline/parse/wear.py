"""Memory that a parse worker still holds of earlier documents: a worn worker is replaced before it takes the next one.

Libraries keep and splinter what they once took, and the limit on a worker counts all of it: an innocent document would
run out of memory for the one before it.
"""

from __future__ import annotations

import ctypes
import gc
import resource
from pathlib import Path

from pipeline.config import Limits

LOADED_MB = 400  # more than a fresh worker holds once every parser and its libraries are loaded (130)
LEAST_CAP_MB = 1024  # the smallest `limits.memory_mb`
STATM = Path("/proc/self/statm")


def is_worn(limits: Limits) -> bool:
    """Whether the calling process holds more than a fresh worker would, by a quarter of its room; False if unknown."""
    most_mb = LOADED_MB + (limits.memory_mb - LEAST_CAP_MB) / 4
    if _held_mb() <= most_mb:
        return False
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return _held_mb() > most_mb


def _held_mb() -> float:
    """Address space for data and stacks, without code and mapped files; 0 where the system does not tell."""
    try:
        pages = int(STATM.read_text(encoding="ascii").split()[5])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20
