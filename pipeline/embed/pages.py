"""One way to get a page model: by its name in the catalog."""

from __future__ import annotations

from pipeline.embed import PageModel
from pipeline.embed.catalog import PAGES, resolve


def load_pages(name: str, *, threads: int = 0, pooling: int = 4) -> PageModel:
    """The page model `name`; `threads` of compute, 0 leaves the library's own choice; `pooling` of token vectors.

    Cheap: weights load at the first page or query. Raises UsageError for a name the catalog does not hold.
    """
    made: PageModel = resolve(PAGES, name, "pages")(threads=threads, pooling=pooling)
    return made
