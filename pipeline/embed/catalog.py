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
    """One model: `target` is "module:object", a callable that makes the embedder.

    A hub model has a `repository` and a `commit`; where no commit is pinned here, the setting must name one.
    """

    target: str
    licence: str
    dim: int
    context_tokens: int
    legs: tuple[str, ...]
    languages: str
    note: str
    parameters: str = ""
    commercial: str = "yes"
    repository: str = ""
    commit: str = ""


LATE = "pipeline.embed.late:LatePages"  # one class, made with a checkpoint

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
    "builtin-multilingual": Entry(
        target="pipeline.embed.builtin.multilingual:MultilingualUnified",
        licence="MIT (multilingual-e5-small), Apache-2.0 (EfficientNet-lite0), WordNet 3.0 licence (labels)",
        dim=384,
        context_tokens=508,
        legs=("text", "image"),
        languages="about 100",
        note="multilingual-e5-small in 4 bits; pictures by the objects on them; works with pip alone, on a CPU",
    ),
}

PAGES: Mapping[str, Entry] = {
    "builtin": Entry(
        target="pipeline.embed.builtin.pages:BuiltinPages",
        licence="MIT (multilingual-e5-small), Apache-2.0 (RapidOCR and its models)",
        dim=128,
        context_tokens=254,
        legs=("page",),
        languages="about 100; by OCR those in Latin, Greek, Chinese and Japanese letters",
        note="late interaction over the text of the page, read by OCR where it has no text layer",
    ),
    "colpali-v1.3": Entry(
        target=LATE,
        licence="Gemma terms of use",
        dim=128,
        context_tokens=8192,
        legs=("page",),
        languages="English; others as far as PaliGemma read them",
        note="looks at the page, 1,024 vectors; needs a GPU to be quick",
        parameters="2.9B",
        commercial="yes, within Gemma's prohibited-use policy",
        repository="vidore/colpali-v1.3-hf",
        commit="133a9eb02947310513f52f8f0d39d622e0eab8dc",
    ),
    "colqwen2-v1.0": Entry(
        target=LATE,
        licence="Apache-2.0",
        dim=128,
        context_tokens=32768,
        legs=("page",),
        languages="English; others as far as Qwen2-VL read them",
        note="looks at the page, in its proportions, some 750 vectors; needs a GPU to be quick",
        parameters="2.2B",
        repository="vidore/colqwen2-v1.0-hf",
        commit="ddc07d2317c80f75fc742b7362ee9ad1912908f9",
    ),
    "colmodernvbert": Entry(
        target=LATE,
        licence="MIT",
        dim=128,
        context_tokens=7999,
        legs=("page",),
        languages="English",
        note="looks at the page in tiles, up to 1,088 vectors; small enough for a CPU; weights in the layout of "
        "transformers only, at a commit that you name",
        parameters="252M",
        repository="ModernVBERT/colmodernvbert-hf",
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
