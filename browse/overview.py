"""The status view: what the store holds, what it takes, which models made it, how far its indexes reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from browse.browsed import Browsed
from browse.render import page
from pipeline.config import Settings
from pipeline.embed.catalog import TASKS, catalog
from pipeline.ingest.in_force import in_force
from pipeline.status import last_canary, status_of
from pipeline.store import open_store

COUNTED = 200  # pages whose vectors are counted
SHOWN_VERSIONS = 10


@dataclass(frozen=True, slots=True)
class Column:
    """Bytes of one column, and its share of the largest one."""

    table: str
    name: str
    size_bytes: int
    share: float


def status(request: Request) -> Response:
    """All of it on one page."""
    corpus: Browsed = request.app.state.corpus
    store = open_store(corpus.settings.store)  # it may have been moved to other models
    found = status_of(corpus.settings, store, COUNTED)
    versions = store.kept_versions()
    return page(
        request,
        "status.html",
        found=found,
        columns=_columns(store.column_bytes()),
        versions=versions[:SHOWN_VERSIONS],
        kept=len(versions),
        tags=store.tags(),
        canary=last_canary(store),
        licences=_licences(corpus.settings),
    )


def _columns(sizes: Mapping[str, Mapping[str, int]]) -> list[Column]:
    largest = max((size for columns in sizes.values() for size in columns.values()), default=0) or 1
    columns = [
        Column(table, name, size, size / largest) for table, parts in sizes.items() for name, size in parts.items()
    ]
    return sorted((column for column in columns if column.size_bytes), key=lambda column: -column.size_bytes)


def _licences(settings: Settings) -> dict[str, str]:
    """The licence of each model that the settings name, as the catalog tells it; "" where it tells none."""
    live = in_force(settings)
    named = {"unified": live.unified, "pages": live.pages_model} | ({"text": live.text} if live.text else {})
    own = {name: model.licence for name, model in live.models.items()}
    known: dict[str, dict[str, str]]
    known = {task: {name: entry.licence for name, entry in catalog(task).items()} | own for task in TASKS}
    known["unified"] = known["pictures"] | known["text"] | known["unified"]
    return {task: known[task].get(name.partition("@")[0], "") for task, name in named.items()}
