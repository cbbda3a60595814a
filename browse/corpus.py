"""The store that is looked at, as it is now: opened anew after a commit, its models loaded once."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from PIL import Image

from browse.page_drawer import DrawnPage, PageDrawer
from pipeline.config import Settings
from pipeline.doubt import Doubt, doubt
from pipeline.embed import PageModel, Unified
from pipeline.errors import StoreError, UsageError
from pipeline.example import read_example
from pipeline.ingest import models_of
from pipeline.ingest.in_force import in_force, names_of
from pipeline.search import Answer, Scope, Searcher
from pipeline.store import Names, RoutedPage, Store, open_store
from pipeline.types import DocumentRecord

PICTURE_FORMATS = ("JPEG", "PNG")  # as the store keeps pictures
QUALITY = 82
KEPT_PICTURES = 512
Key = TypeVar("Key")
Value = TypeVar("Value")
Load = Callable[[Settings], tuple[Unified, PageModel]]


class NotThere(UsageError):
    """What the address names is not in the store."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A routed page and what makes its route doubtful, if anything."""

    page: RoutedPage
    doubt: Doubt | None


@dataclass(frozen=True, slots=True)
class Searching:
    """A searcher over one version of the table."""

    version: int
    names: Names
    models: tuple[Unified, PageModel]
    searcher: Searcher


class Kept(Generic[Key, Value]):
    """The values that were asked for last; safe for threads. What is made twice at the same time is the same."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


class Corpus:
    """What the views are made of. One search runs at a time; reads of the store do not wait for it."""

    def __init__(self, settings: Settings, load: Load = models_of) -> None:
        """`load` gives the models that settings name. Raises `UsageError` if there is no store."""
        self.settings, self._load = settings, load
        self._store = open_store(settings.store)
        self._searching: Searching | None = None
        self._lock, self._judging = threading.Lock(), threading.Lock()
        self._judged: tuple[int, tuple[Judged, ...]] | None = None
        self._pictures: Kept[tuple[str, int], bytes] = Kept(KEPT_PICTURES)
        self._drawer = PageDrawer(settings)

    @property
    def store(self) -> Store:
        return self._store

    def close(self) -> None:
        """Stops the worker that draws pages."""
        self._drawer.close()

    def warm_up(self) -> None:
        """Loads the models and reads what the first search and the first look at the routes would wait for."""
        try:
            self.search("a", Scope(k=1))
            self.judged()
        except (UsageError, StoreError):
            return  # who asks is told

    def search(self, query: str, scope: Scope) -> Answer:
        """Raises `UsageError` for a filter or a query that cannot be read."""
        with self._lock:
            return self._current().searcher.answer_many([query], scope)[0]

    def search_file(self, path: Path, number: int, scope: Scope) -> Answer:
        """Rows like the picture or the page of a PDF, which a parse worker reads. Raises `UsageError`."""
        with read_example(path, number, self.settings) as example, self._lock:
            return self._current().searcher.answer_picture(example.picture.path, scope, example.page)

    def judged(self) -> tuple[Judged, ...]:
        """All routed pages, the doubtful ones first, in order of source and page among equals."""
        with self._judging:
            version = self._store.version()
            if self._judged is None or self._judged[0] != version:
                pages = [Judged(page, doubt(page.signals)) for page in self._store.routed_pages()]
                self._judged = version, tuple(sorted(pages, key=_most_doubtful))
            return self._judged[1]

    def picture(self, asset_id: str, width: int) -> bytes:
        """A stored picture as a JPEG of at most this width, drawn anew. Raises `UsageError` if there is none that can
        be read."""
        return self._pictures.get((asset_id, width), lambda: as_jpeg(self._store.asset(asset_id), width))

    def record(self, doc_id: str) -> DocumentRecord:
        """The ledger row of a document. Raises `UsageError` if there is none."""
        found = self._store.record_of(doc_id)
        if found is None:
            raise NotThere("there is no such document")
        return found

    def drawn_page(self, record: DocumentRecord, number: int) -> DrawnPage:
        """A page whose picture is not in the store, drawn from its file. Raises `UsageError` if that cannot be."""
        return self._drawer.draw(record, number)

    def _current(self) -> Searching:
        """The searcher over the newest version; models are loaded again only if the store was moved to others."""
        version = self._store.version()
        if self._searching is None or self._searching.version != version:
            store, names = open_store(self.settings.store), names_of(in_force(self.settings))
            before = self._searching
            models = before.models if before and before.names == names else self._load(self.settings)
            searcher = Searcher(store, *models, self.settings.search)
            self._store = store
            self._searching = Searching(version, names, models, searcher)
        return self._searching


def as_jpeg(content: bytes, width: int) -> bytes:
    """The picture as a JPEG of at most this width and three times this height."""
    try:
        with Image.open(io.BytesIO(content), formats=PICTURE_FORMATS) as picture:
            picture.draft("RGB", (width, 3 * width))
            picture.thumbnail((width, 3 * width), Image.Resampling.LANCZOS, reducing_gap=2.0)
            made = io.BytesIO()
            picture.convert("RGB").save(made, "JPEG", quality=QUALITY)
    except (OSError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise UsageError(f"the stored picture cannot be read ({error})") from error
    return made.getvalue()


def _most_doubtful(judged: Judged) -> tuple[float, str, int]:
    distance = judged.doubt.distance if judged.doubt else 1.0
    return distance, judged.page.source_uri, judged.page.page or 0
