"""What the vectors of pages take in a store, and what other settings of `page.pooling` would make of them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FACTORS = (1, 2, 3, 4, 8)  # of `page.pooling`, beside the model's default
FLOAT16_BYTES = 2

Counts = npt.NDArray[np.int64]  # one number a page, (pages,)


@dataclass(frozen=True, slots=True)
class PageSizes:
    """Vectors of each page as it is stored, and before pooling (0 where that is not known)."""

    stored: Counts
    before: Counts
    dim: int
    pooling: str  # of the model's id: "none", "even-192", "sequential-4", "hierarchical-2"

    @property
    def page_bytes(self) -> int:
        return self.dim * FLOAT16_BYTES


def storage(sizes: PageSizes, pages: int) -> dict[str, object]:
    """As `docmill status` shows it; `pages` is how many there are, more than `sizes` tells of if they are a sample."""
    stored = sizes.stored
    if not len(stored):
        return {}
    return {
        "pages": pages,
        "counted": len(stored),
        "vectors": {"mean": round(float(stored.mean()), 1), "max": int(stored.max())},
        "bytes": _bytes(stored, sizes.page_bytes),
        "pooling": {str(factor): _saving(sizes, pooled(sizes, factor)) for factor in FACTORS},
    }


def pooled(sizes: PageSizes, factor: int) -> Counts:
    """Vectors of each page under `page.pooling = factor`.

    The built-in model takes a mean of every `factor` neighbours, the others cluster all into a `factor`-th as many.

    >>> pages = PageSizes(np.array([192, 7]), np.array([700, 7]), 128, "even-192")
    >>> pooled(pages, 4).tolist()
    [175, 2]
    """
    before = np.where(sizes.before > 0, sizes.before, sizes.stored * _factor(sizes.pooling))
    if sizes.pooling.startswith(("even", "sequential")):
        return np.asarray(-(-before // factor), np.int64)
    return np.asarray(np.where(before > 0, np.maximum(before // factor, 1), 0), np.int64)


def _factor(pooling: str) -> int:
    found = re.fullmatch(r"(?:sequential|hierarchical)-(\d+)", pooling)
    return int(found[1]) if found else 1


def _saving(sizes: PageSizes, counts: Counts) -> dict[str, object]:
    now = int(sizes.stored.sum())
    return {**_bytes(counts, sizes.page_bytes), "saved": round(1 - int(counts.sum()) / now, 3) if now else 0.0}


def _bytes(counts: Counts, each: int) -> dict[str, object]:
    return {"mean": round(float(counts.mean()) * each), "max": int(counts.max()) * each}
