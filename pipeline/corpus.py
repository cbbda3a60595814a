"""The Python interface: a store, opened to be searched. Reads only; safe beside a running ingest.

from pipeline import open_store

store = open_store("./docmill-data")
hits = store.search("how much energy does the mill make in a year?")
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.answer import Answer
from pipeline.config import Settings
from pipeline.embed.choices import choices_of
from pipeline.embed.ocr import Ocr
from pipeline.embed.pages import load_pages
from pipeline.embed.rerank import load_reranker
from pipeline.embed.unified import load_unified
from pipeline.errors import UsageError
from pipeline.filters import Filter, Source, When
from pipeline.ingest.in_force import in_force
from pipeline.scope import LEGS, Scope, split_phrases
from pipeline.search import Searcher
from pipeline.settings_file import load_settings
from pipeline.store import open_store as open_tables
from pipeline.types import Modality


def open_store(uri: str | Path | None = None, *, config: str | Path | None = None, rerank: str | None = None) -> Corpus:
    """The store at `uri`, to be searched with the models that the settings name.

    Settings come from `config`, or `docmill.toml` in the working folder, and the environment, as for the commands;
    without `uri` they name the store, too (`./docmill-data` by default). `rerank` names a cross-encoder in place of
    theirs. Models load at the first search that needs them. Raises `UsageError` if there is no store or a setting makes
    no sense.
    """
    given = {"store": None if uri is None else str(uri), "rerank": rerank}
    settings = load_settings(None if config is None else Path(config), os.environ, given, Path.cwd()).settings
    return Corpus(settings)


class Corpus:
    """A store that is open for reading. Each search sees the newest commit, whole documents only.

    May be used by several threads. Nothing in it writes or takes a lock.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._store = open_tables(settings.store)
        self._seen = self._state()
        self._searcher = open_searcher(settings)

    def __repr__(self) -> str:
        return f"Corpus({self.uri!r})"

    @property
    def uri(self) -> str:
        return self._store.uri

    @property
    def searcher(self) -> Searcher:
        """What answers searches of the table as it now is; models are kept from one to the next."""
        with self._lock:
            seen = self._state()
            if seen != self._seen:
                same_models = seen[1] == self._seen[1]
                self._searcher = self._searcher.anew(self._store.snapshot()) if same_models else self._reopened()
                self._seen = seen
            return self._searcher

    def _reopened(self) -> Searcher:
        self._store = open_tables(self._settings.store)
        return open_searcher(self._settings)

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        modality: Modality | None = None,
        source: Source | Sequence[Source] = (),
        page: int | str | None = None,
        since: When | None = None,
        until: When | None = None,
        route: str | None = None,
        metadata: Mapping[str, str] | None = None,
        where: str | None = None,
        legs: Collection[str] = LEGS,
    ) -> Answer:
        """The k best passages, pictures and pages for a query in words.

        What stands in double quotes must be in a row in these very words. `modality` is "text", "image" or "page"; the
        other filters are those of `Filter`. Raises `UsageError` for an empty query or a filter that makes no sense.
        """
        words, phrases = split_phrases(query)
        narrowed = Filter(source, page, since, until, route, metadata or {}, where)
        scope = Scope(k, modality, legs=legs, filter=narrowed, phrases=phrases)
        return self.searcher.answer_many([words], scope)[0]

    def search_many(self, queries: Sequence[str], scope: Scope | None = None) -> list[Answer]:
        """One answer a query, in order; the queries are embedded together. Quotes in them are no operators."""
        return self.searcher.answer_many(queries, scope)

    def search_picture(self, picture: str | Path, page: int = 1, scope: Scope | None = None) -> Answer:
        """The best rows for a picture, or for a page of a PDF or TIFF. Raises `UsageError` if it cannot be read."""
        path = Path(picture)
        if not path.is_file():
            raise UsageError(f"{path}: there is no such file")
        from pipeline.example import read_example  # with the parse workers' machinery

        with read_example(path, page, self._settings) as example:
            return self.searcher.answer_picture(example.picture.path, scope, example.page)

    def similar(self, id: str, scope: Scope | None = None) -> Answer:
        """The rows most like the row of this id, which is not among them. Raises `UsageError` if there is none."""
        return self.searcher.answer_similar(id, scope)

    def count(self) -> dict[Modality, int]:
        """Number of rows by modality."""
        return self._store.count()

    def rows(self, source_uri: str | None = None) -> Iterator[dict[str, Any]]:
        """All rows, or those of one source, without vectors, in document order, streamed from one version."""
        return self._store.rows(source_uri)

    def row(self, id: str) -> dict[str, Any]:
        """One row by its id, without vectors. Raises `UsageError` if there is none."""
        found = self._store.fetch([id])
        if id not in found:
            raise UsageError(f"{self.uri}: there is no row {id[:80]!r}")
        return found[id]

    def picture(self, id: str) -> bytes | None:
        """The stored picture of a row (PNG, JPEG, WebP or GIF), None if it has none."""
        asset: str | None = self.row(id)["asset_id"]
        return None if asset is None else self._store.asset(asset)

    def _state(self) -> tuple[int, Any]:
        """What changes when there is something new to be seen: the version, and which vectors are in force."""
        return self._store.version(), self._store.sets.live.columns


def open_searcher(settings: Settings) -> Searcher:
    """The searcher these settings describe, of the table as it now is; models load when a query needs them."""
    store = open_tables(settings.store).snapshot()
    settings = in_force(settings)
    choices = choices_of(settings, store.models.dtypes(), store.models.accepted)
    reader = Ocr(settings.ocr.language, settings.ocr.models)  # of an example that is a scan
    pages = load_pages(settings.pages_model, choices, pooling=settings.page.pooling, reader=reader)
    unified, reranker = load_unified(settings.unified, choices), load_reranker(settings.rerank, choices)
    return Searcher(store, unified, pages, settings.search, reranker=reranker)
