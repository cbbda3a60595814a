"""The store's three Lance tables: made, opened, and read in batches."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from threading import Lock
from typing import Any, TypeVar

import lancedb
import pyarrow as pa
import pyarrow.compute as pc
from lancedb.background_loop import LOOP
from lancedb.index import FTS

from pipeline.errors import NotAStore, StoreError
from pipeline.s3_environment import s3_place
from pipeline.store.edge import retrying
from pipeline.store.row_names import MOST_ROWS, RowNames
from pipeline.store.schema import (
    ASSETS,
    CORPUS,
    DOCUMENTS,
    MODELS_KEY,
    TABLES,
    Columns,
    Models,
    assets_schema,
    corpus_schema,
    documents_schema,
    load_models,
)

Item = TypeVar("Item")
GROUP = 500  # values in one IN (...)
BATCH = 512  # rows read at a time
# Words of all scripts (Thai and Chinese too), of code and of part numbers; positions make phrases possible.
TEXT_INDEX = FTS(with_position=True, base_tokenizer="icu/split")


class Tables:
    """A connection to one store. Reads always see the newest committed version."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._options: dict[str, Any] = {
            "read_consistency_interval": dt.timedelta(0),
            "storage_options": storage_options(uri, os.environ) or None,
            "session": lancedb.Session(),  # its caches serve both interfaces
        }
        self._connection = lancedb.connect(uri, **self._options)
        self._opened: dict[str, Any] = {}
        self._asked: dict[str, Any] = {}  # the same tables, by the asynchronous interface
        self._pinned: int | None = None  # the version of the corpus, if it is always this one
        self._lock = Lock()
        self.columns = Columns()  # of the vectors that this connection reads and writes

    def names(self) -> set[str]:
        return set(self._connection.list_tables(limit=1000).tables)

    def open(self, name: str) -> Any:
        """The table at its newest version; one handle is kept."""
        if name not in self._opened:
            self._opened[name] = self._connection.open_table(name)
        return self._opened[name]

    def fresh(self, name: str) -> Any:
        """A handle of its own, for a retry or for a snapshot."""
        return self._connection.open_table(name)

    def pinned(self) -> Tables:
        """The same, with the corpus as it now is, whatever is committed later."""
        same = Tables(self.uri)
        same._connection, same._options, same.columns = self._connection, self._options, self.columns
        corpus = self.fresh(CORPUS)
        corpus.checkout(corpus.version)
        same._opened[CORPUS], same._pinned = corpus, int(corpus.version)
        return same

    def ask(self, name: str, question: Callable[[Any], Coroutine[Any, Any, Item]]) -> Item:
        """What a coroutine gives that is handed the table as LanceDB's asynchronous interface has it."""

        async def asked() -> Item:
            if name not in self._asked:
                connection = await lancedb.connect_async(self.uri, **self._options)
                table = await connection.open_table(name)
                if self._pinned is not None and name == CORPUS:
                    await table.checkout(self._pinned)
                self._asked[name] = table
            return await question(self._asked[name])

        answer: Item = LOOP.run(asked())
        return answer

    @property
    def schema(self) -> Any:
        """Of the corpus."""
        return self.open(CORPUS).schema if self._pinned is None else self._pinned_schema

    @cached_property
    def _pinned_schema(self) -> Any:
        return self.open(CORPUS).schema

    @property
    def row_names(self) -> RowNames | None:
        """The ids of all rows, if this is one version of a corpus that is not too large to hold them."""
        with self._lock:
            return None if self._pinned is None else self._row_names

    @cached_property
    def _row_names(self) -> RowNames | None:
        table = self.open(CORPUS)
        if table.count_rows() > MOST_ROWS:
            return None
        return RowNames.read(table.search().select(["id"]).with_row_id(True).to_batches(batch_size=16 * BATCH))

    def create(self, models: Models) -> None:
        """Make the tables that are missing; each is made in one commit, so a killed run leaves nothing half-made.

        Another machine may be making them at the same time; whoever comes second takes what is there.
        """
        schemas = {CORPUS: corpus_schema(models), DOCUMENTS: documents_schema(), ASSETS: assets_schema()}
        for name in TABLES:
            if not self.exists(name):
                self._create(name, schemas[name])
        retrying(self._create_text_index)

    def make(self, name: str, schema: Any) -> None:
        """Make a table of another kind than the three, unless it is there."""
        if not self.exists(name):
            self._create(name, schema)

    def _create(self, name: str, schema: Any) -> None:
        try:
            self._connection.create_table(name, schema=schema)
        except (OSError, RuntimeError, ValueError):
            if not self.exists(name):
                raise

    def _create_text_index(self) -> None:
        corpus = self.fresh(CORPUS)
        if not any(index.columns == ["text"] for index in corpus.list_indices()):
            corpus.create_index("text", config=TEXT_INDEX)

    def exists(self, name: str) -> bool:
        """Whether the table can be opened; a folder without a first commit is not a table yet."""
        try:
            self.open(name)
        except (ValueError, FileNotFoundError) as error:
            if "not found" in str(error).lower():
                return False
            raise
        return True

    def models(self) -> Models:
        stored = (self.open(CORPUS).schema.metadata or {}).get(MODELS_KEY)
        if stored is None:
            raise NotAStore(f"{self.uri}: it holds a table `corpus` that docmill did not make; give another --store")
        try:
            return load_models(stored)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{self.uri}: the table's note of its models is damaged ({error})") from error

    def version(self, name: str) -> int:
        table = self.open(name)
        table.checkout_latest()
        return int(table.version)

    def batches(self, name: str, where: str | None, columns: Sequence[str], size: int = BATCH) -> Iterator[Any]:
        """Arrow record batches of some columns, in no particular order, streamed."""
        query = self.open(name).search()
        query = query.where(where) if where else query
        yield from query.select(list(columns)).to_batches(batch_size=size)

    def ordered(
        self, name: str, where: str | None, columns: Sequence[str], key: Sequence[str], keys: Callable[[Any], Any]
    ) -> Iterator[dict[str, Any]]:
        """Rows in order, streamed from one version of the table. `keys` makes sort columns of a batch of `key` columns.

        Only these are held for the whole table, about 30 bytes a row: the first, a text, as a number.
        """
        table = self.fresh(name)
        table.checkout(table.version)
        query = table.search().select(list(key)).with_row_id(True)
        query = query.where(where) if where else query
        held = [keys(batch) for batch in query.to_batches(batch_size=16 * BATCH)]
        if not held:
            return
        rows = _in_order(pa.Table.from_batches(held))
        for start in range(0, len(rows), BATCH):
            wanted = rows.slice(start, BATCH).to_pylist()
            taken = table.take_row_ids(wanted).select(list(columns)).with_row_id().to_arrow()
            by_id = {row.pop("_rowid"): row for row in taken.to_pylist()}
            yield from (by_id[row] for row in wanted)


def storage_options(uri: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What LanceDB must be told of an object store beside what it reads from the environment itself.

    >>> storage_options("s3://bucket/db", {"AWS_ENDPOINT_URL": "http://localhost:9000"})
    {'endpoint': 'http://localhost:9000', 'allow_http': 'true'}
    """
    if not uri.startswith("s3://"):
        return {}
    place = s3_place(environment)
    options = {"endpoint": place.endpoint} if place.endpoint else {}
    options |= {"region": place.region} if place.region else {}
    return options | ({"allow_http": "true"} if place.is_plain_http else {})


def groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of at most `size` items."""
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


def _in_order(held: Any) -> Any:
    """Row ids in order of the other columns, nulls last; the first is dictionary encoded and sorts by its texts."""
    first = held.column_names[0]
    texts = held[first].unify_dictionaries().combine_chunks()
    texts = texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts
    ranks = pc.rank(texts.dictionary).cast(pa.int32()).take(texts.indices)
    held = held.set_column(0, first, ranks)
    order = [(name, "ascending") for name in held.column_names if name != "_rowid"]
    return held["_rowid"].take(pc.sort_indices(held, sort_keys=order)).combine_chunks()
