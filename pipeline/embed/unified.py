"""One way to get a unified embedder: by its name in the catalog."""

from __future__ import annotations

from pipeline.embed import Unified
from pipeline.embed.catalog import UNIFIED, resolve


def load_unified(name: str, *, threads: int = 0) -> Unified:
    """The unified embedder `name`; `threads` of compute, 0 leaves the library's own choice.

    Cheap: weights load at the first `embed_*` call. Raises UsageError for a name the catalog does not hold.
    """
    made: Unified = resolve(UNIFIED, name, "unified")(threads=threads)
    return made
