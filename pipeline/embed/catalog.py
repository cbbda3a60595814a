"""The embedders docmill knows, as data: `catalog.toml`, and those of the user's own settings.

Nothing is imported here before it is asked for: naming a model costs nothing, loading it is `resolve`.
"""

from __future__ import annotations

import difflib
import importlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import UsageError

FILE = Path(__file__).with_name("catalog.toml")
LATE = "pipeline.embed.late:LatePages"  # one class, made with a checkpoint
Task = Literal["unified", "pictures", "text", "pages"]
TASKS: tuple[Task, ...] = ("unified", "pictures", "text", "pages")


@dataclass(frozen=True, slots=True)
class Entry:
    """One model, with what one should know before choosing it; `catalog.toml` says what the fields mean.

    `loader` is "module:object", a callable that makes the embedder, or the name of a way to load a checkpoint.
    """

    task: Task
    loader: str
    dim: int
    context: int
    licence: str
    commercial: bool
    legs: tuple[str, ...] = ()
    languages: str = ""
    fits: str = ""  # the corpus it is for
    note: str = ""
    parameters: str = ""
    repository: str = ""
    commit: str = ""
    second: str = ""  # the other tower of a model of two repositories
    second_commit: str = ""
    dims: tuple[int, ...] = ()
    query: str | None = None  # what stands before questions; None leaves it to the model's own configuration
    passage: str | None = None
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()  # NAME=VALUE, given to its own code as it loads
    code: str = ""  # repository of its classes, where they are not with its weights
    figures: str = ""

    @property
    def is_built_in(self) -> bool:
        return not self.repository and ":" in self.loader and self.loader != LATE


Catalog = Mapping[str, Entry]


@cache
def catalog(task: Task) -> Catalog:
    """All known models for a task, by name, in the order in which people should see them."""
    entries: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))[task]
    return {name: _entry(task, fields) for name, fields in entries.items()}


def resolve(entry: Entry) -> Callable[..., Any]:
    """The callable behind an entry whose loader is "module:object"."""
    module, _, attribute = entry.loader.partition(":")
    made: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return made


def is_folder(name: str) -> bool:
    """True for what means a folder: a path, or the name of one that no known model has."""
    named = any(name in catalog(task) for task in TASKS)
    return name.startswith((".", "/", "~")) or (not named and Path(name).is_dir())


def unknown(name: str, known: Catalog, setting: str) -> UsageError:
    """The error for a name that is none; `setting` is the key that held it. The nearest known names come first."""
    return UsageError(
        f'no embedder is called "{name}" (setting `{setting}`); known: {", ".join(nearest(name, known))}. '
        f"Set `{setting}` to one of these, to REPOSITORY@COMMIT or to a folder (`docmill models` tells of each)."
    )


def nearest(name: str, entries: Catalog) -> list[str]:
    """All known names, those most like `name` first.

    >>> nearest("bultin", catalog("unified"))[0]
    'builtin'
    """
    return sorted(entries, key=lambda known: (-difflib.SequenceMatcher(None, name.lower(), known).ratio(), known))


def _entry(task: Task, fields: Mapping[str, Any]) -> Entry:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    return Entry(task, **values)
