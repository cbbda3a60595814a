"""The embedders docmill knows, as data: name -> where its code is and what one should know before choosing it.

Nothing is imported here before it is asked for: naming a model costs nothing, loading it is `resolve`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """One model: `target` is "module:object", a callable that makes the embedder."""

    target: str
    licence: str
    dim: int
    context_tokens: int
    legs: tuple[str, ...]
    languages: str
    note: str


UNIFIED: Mapping[str, Entry] = {
    "builtin": Entry(
        target="pipeline.embed.builtin.unified:BuiltinUnified",
        licence="Apache-2.0 (all-MiniLM-L6-v2, EfficientNet-lite0), WordNet 3.0 licence (labels)",
        dim=384,
        context_tokens=254,
        legs=("text", "image"),
        languages="English",
        note="MiniLM text; pictures by the objects on them; works with pip alone, on a CPU",
    ),
}

PAGES: Mapping[str, Entry] = {
    "builtin": Entry(
        target="pipeline.embed.builtin.pages:BuiltinPages",
        licence="Apache-2.0 (all-MiniLM-L6-v2, RapidOCR and its models)",
        dim=384,
        context_tokens=254,
        legs=("page",),
        languages="English",
        note="late interaction over the text of the page, read by OCR where it has no text layer",
    ),
}


def resolve(entries: Mapping[str, Entry], name: str, setting: str) -> Callable[..., Any]:
    """The callable behind `name`; `setting` is the key of docmill.toml that held it, for the message.

    Raises UsageError, with the known names and the nearest of them first, if the catalog does not hold the name.
    """
    if name not in entries:
        raise UsageError(
            f'no embedder is called "{name}" (setting `{setting}`); '
            f"known: {', '.join(nearest(name, entries))}. Set `{setting}` to one of these."
        )
    module, _, attribute = entries[name].target.partition(":")
    made: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return made


def nearest(name: str, entries: Mapping[str, Entry]) -> list[str]:
    """All known names, those most like `name` first.

    >>> nearest("bultin", UNIFIED)[0]
    'builtin'
    """
    return sorted(entries, key=lambda known: (-difflib.SequenceMatcher(None, name.lower(), known).ratio(), known))
