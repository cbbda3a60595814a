"""The store that is looked at, as it is now, and what is kept of it between two looks."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from PIL import Image

import pipeline.corpus
from browse.page_drawer import DrawnPage, PageDrawer, can_draw
from pipeline.answer import Answer
from pipeline.config import Settings
from pipeline.doubt import Doubt, doubt
from pipeline.errors import StoreError, UsageError
from pipeline.example import read_example
from pipeline.scope import Scope, split_phrases
from pipeline.search import Searcher
from pipeline.store import RoutedPage, Store, open_store
from pipeline.types import DocumentRecord

PICTURE_FORMATS = ("JPEG", "PNG")  # as the store keeps pictures
QUALITY = 82
KEPT_PICTURES = 512
Key = TypeVar("Key")
Value = TypeVar("Value")


class NotThere(UsageError):
    """What the address names is not in the store."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A routed page and what makes its route doubtful, if anything."""

    page: RoutedPage
    doubt: Doubt | None


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


class Browsed:
    """What the views are made of. One search runs at a time; reads of the store do not wait for it."""

    def __init__(self, settings: Settings, searcher: Callable[[], Searcher] | None = None) -> None:
        """`searcher` gives what answers searches of the table as it is. Raises `UsageError` if there is no store."""
        self.settings = settings
        self._store = open_store(settings.store)
        self._searcher = searcher or _searcher_of(settings)
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
        """Words in double quotes must stand in a row as they are. Raises `UsageError` for a filter or a query that
        cannot be read."""
        words, phrases = split_phrases(query)
        with self._lock:
            return self._searcher().answer_many([words], replace(scope, phrases=phrases))[0]

    def search_like(self, id: str, scope: Scope) -> Answer:
        """Rows like the row of this id. Raises `UsageError` if there is none."""
        with self._lock:
            return self._searcher().answer_similar(id, scope)

    def search_file(self, path: Path, number: int, scope: Scope) -> Answer:
        """Rows like the picture or the page of a PDF, which a parse worker reads. Raises `UsageError`."""
        with read_example(path, number, self.settings) as example, self._lock:
            return self._searcher().answer_picture(example.picture.path, scope, example.page)

    def judged(self) -> tuple[Judged, ...]:
        """All routed pages, the doubtful ones first, in order of source and page among equals."""
        with self._judging:
            version = self._store.version()
            if self._judged is None or self._judged[0] != version:
                pages = [Judged(page, doubt(page.signals)) for page in self._store.routed_pages()]
                self._judged = version, tuple(sorted(pages, key=_most_doubtful))
            return self._judged[1]

    def routed_page(self, doc_id: str, number: int) -> RoutedPage | None:
        """The page with the signals it was routed by, as the store has it now."""
        found = (one.page for one in self.judged() if one.page.doc_id == doc_id and one.page.page == number)
        return next(found, None)

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

    def drawable(self, uris: Sequence[str]) -> set[str]:
        """Ids of those documents whose pages can be drawn from their files."""
        names = sorted({uri for uri in uris if uri.startswith("file://")})
        records = self._store.documents(names) if names else iter(())
        return {record.doc_id for record in records if can_draw(record)}

    def drawn_page(self, record: DocumentRecord, number: int) -> DrawnPage:
        """A page whose picture is not in the store, drawn from its file. Raises `UsageError` if that cannot be."""
        return self._drawer.draw(record, number)


def _searcher_of(settings: Settings) -> Callable[[], Searcher]:
    corpus = pipeline.corpus.Corpus(settings)
    return lambda: corpus.searcher


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
