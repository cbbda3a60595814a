"""docmill's core: files in, one searchable LanceDB table out. What programs use is named here and loads on demand.

from pipeline import open_store

store = open_store("./docmill-data")
hits = store.search("how much energy does the mill make in a year?")
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.answer import Answer as Answer
    from pipeline.corpus import Corpus as Corpus
    from pipeline.corpus import open_store as open_store
    from pipeline.errors import DocmillError as DocmillError
    from pipeline.errors import UsageError as UsageError
    from pipeline.filters import Filter as Filter
    from pipeline.scope import Scope as Scope
    from pipeline.types import Hit as Hit

__version__ = "0.1.0"
_PLACES = {
    "Answer": "pipeline.answer",
    "Corpus": "pipeline.corpus",
    "DocmillError": "pipeline.errors",
    "Filter": "pipeline.filters",
    "Hit": "pipeline.types",
    "Scope": "pipeline.scope",
    "UsageError": "pipeline.errors",
    "open_store": "pipeline.corpus",
}
__all__ = ["Answer", "Corpus", "DocmillError", "Filter", "Hit", "Scope", "UsageError", "__version__", "open_store"]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
