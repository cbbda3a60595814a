"""The LanceDB store: one database with corpus, ledger and assets. The only code that knows LanceDB."""

from __future__ import annotations

import os

os.environ.setdefault("LANCEDB_LOG", "error")  # both engines read these once, when they are first imported
os.environ.setdefault("LANCE_LOG", "error")
os.environ.setdefault("LANCE_DEFAULT_IO_BUFFER_SIZE", str(128 << 20))  # read ahead 128 MB a scan, not 2 GB

import pipeline.store.quick_import  # noqa: F401 - before anything else imports LanceDB
from pipeline.store.assets import TokenCounts
from pipeline.store.corpus import Store, find_store, open_store
from pipeline.store.hit_table import hits_table
from pipeline.store.labels import RouteLabel
from pipeline.store.lock import WEB
from pipeline.store.look import Chosen, Listing, Order, PageOutline, PageRows, RoutedPage
from pipeline.store.query import Held, PageCounts, PageVectors, RowVectors
from pipeline.store.rowfile import RowFile, picture_name
from pipeline.store.schema import Models, doc_id
from pipeline.store.shards import Listed
from pipeline.store.switch import Filled, Label, Names, VectorSet, VectorSets
from pipeline.store.where import alone, sql_literal

__all__ = [
    "WEB",
    "Chosen",
    "Filled",
    "Held",
    "Label",
    "Listed",
    "Listing",
    "Models",
    "Names",
    "Order",
    "PageCounts",
    "PageOutline",
    "PageRows",
    "PageVectors",
    "RouteLabel",
    "RoutedPage",
    "RowFile",
    "RowVectors",
    "Store",
    "TokenCounts",
    "VectorSet",
    "VectorSets",
    "alone",
    "doc_id",
    "find_store",
    "hits_table",
    "open_store",
    "picture_name",
    "sql_literal",
]
