"""What is to be done with each source: a pure decision from what was found and what the ledger says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.config import Settings
from pipeline.types import DocumentRecord, Found, ModelId, Outline

Action = Literal["work", "unchanged", "skipped", "quarantined"]
STALE = "stale"
IGNORED = "ignored by hand"


@dataclass(frozen=True, slots=True)
class Recipes:
    """Hashes of what makes rows (`rows`), and of that plus what a parse may cost (`attempt`).

    With `refresh` a document that another recipe made is work; otherwise it is left as it is, and counted as stale.
    """

    rows: str
    attempt: str
    has_passwords: bool = False
    refresh: bool = False

    @property
    def embedding(self) -> str:
        """The part of `rows` that says how inputs become vectors: under the same one equal inputs give equal vectors.

        >>> Recipes("embed.read.router", "").embedding
        'embed'
        """
        return self.rows.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of the stages that make rows."""

    parser: str
    router: str
    chunker: str
    context: str  # and page vectors


@dataclass(frozen=True, slots=True)
class Decision:
    """`why` is a word for people: new, changed, recipe, retry, same, stale, or the reason of a skip."""

    action: Action
    why: str
    touched: bool = False  # same bytes under a new revision: the ledger should learn it

    @property
    def is_stale(self) -> bool:
        """Left as it is, though another recipe made it."""
        return self.why == STALE


SAME = Decision("unchanged", "same")


def make_recipes(settings: Settings, models: Sequence[ModelId | None], versions: Versions, reader: str = "") -> Recipes:
    """Recipes from the versions of the stages, the models, the reader of pages and the settings that change rows.

    A recipe has three parts, EMBEDDING.READING.ROUTER, so that what only one of them changes can be told.
    """
    named = [str(id) for id in models if id is not None]
    embedding = _digest([versions.context, *named, reader, settings.page.dpi])[:8]
    reading = _digest([versions.parser, versions.chunker, settings.chunks.tokens, settings.page.dpi])[:8]
    rows = f"{embedding}.{reading}.{versions.router}"
    return Recipes(rows, _digest([rows, settings.limits.model_dump()]), bool(settings.sources.passwords))


def decide(found: Found, known: DocumentRecord | None, recipes: Recipes, digest: Callable[[], str]) -> Decision:
    """What to do with one source. `digest` reads the bytes and is called only where size and mtime cannot tell.

    A document is unchanged if its content hash is that of its rows, and stale as well if its recipe is not. A skipped
    one is looked at again under another recipe: that costs little. A permanent failure is left alone until the file or
    what an attempt may cost changes; a transient one is tried again by every run.
    """
    if found.skip is not None:
        return Decision("skipped", found.skip)
    if known is None or known.state == "deleted":
        return Decision("work", "new")
    if found.failure is not None and known.by_hand != "ignore":  # there are no bytes to compare
        return Decision("work", "retry")
    if known.by_hand == "retry":
        return Decision("work", "retry")
    if known.by_hand == "ignore":
        return _unless_changed(found, known, digest, Decision("skipped", IGNORED))
    if known.state == "quarantined":
        if may_succeed(known, recipes):
            return Decision("work", "retry")
    elif known.recipe != recipes.rows and (recipes.refresh or known.state == "skipped"):
        return Decision("work", "recipe")
    reason = known.message if known.state == "skipped" else "same" if known.recipe == recipes.rows else STALE
    reason = "same" if known.state == "quarantined" else reason
    action: Action = "unchanged" if known.state == "indexed" else known.state
    return _unless_changed(found, known, digest, Decision(action, reason))


def at_a_glance(found: Found, known: Outline, recipes: Recipes) -> Decision | None:
    """What `decide` would say without reading the file, where the outline is enough and the ledger need learn nothing;
    None where it is not."""
    if found.failure is not None or found.sha256 is not None or known.by_hand:
        return None
    if not known.revision or known.revision != found.revision:
        return None
    if found.skip is not None:
        return Decision("skipped", found.skip) if (known.state, known.message) == ("skipped", found.skip) else None
    if known.recipe == recipes.rows:
        return {"indexed": SAME, "skipped": Decision("skipped", known.message)}.get(known.state)
    return Decision("unchanged", STALE) if known.state == "indexed" and not recipes.refresh else None


def may_succeed(known: DocumentRecord, recipes: Recipes) -> bool:
    """Whether the same bytes may fare better than the last time: a transient failure, or other limits or passwords."""
    never_read = not known.content_sha256  # whether it can be read now, its revision does not tell
    unlocked = known.error == "PasswordNeeded" and recipes.has_passwords
    return known.transient or never_read or unlocked or known.recipe != recipes.attempt


def _unless_changed(found: Found, known: DocumentRecord, digest: Callable[[], str], otherwise: Decision) -> Decision:
    """Work if the bytes are not those of the ledger, or not those that were planned with: fetching will refuse them."""
    same_revision = known.revision == found.revision
    if not same_revision and (not known.content_sha256 or digest() != known.content_sha256):
        return Decision("work", "changed")
    if found.sha256 is not None and found.sha256 != known.content_sha256:
        return Decision("work", "changed")
    return replace(otherwise, touched=not same_revision)


def in_batches(work: Iterable[Found], documents: int, size_bytes: int) -> Iterator[tuple[Found, ...]]:
    """Sources in order, in batches of at most so many documents and bytes; one larger file is a batch of its own.

    >>> files = [Found(name, "", size, None) for name, size in (("a", 3), ("b", 3), ("c", 9), ("d", 1))]
    >>> [[found.uri for found in batch] for batch in in_batches(files, 10, 7)]
    [['a', 'b'], ['c'], ['d']]
    """
    batch: list[Found] = []
    total = 0
    for found in work:
        if batch and (len(batch) >= documents or total + found.size_bytes > size_bytes):
            yield tuple(batch)
            batch, total = [], 0
        batch.append(found)
        total += found.size_bytes
    if batch:
        yield tuple(batch)


def gone_share(gone: int, known: int) -> float:
    """Share of a root's known documents that would vanish.

    >>> gone_share(3, 12)
    0.25
    """
    return gone / known if known else 0.0


def _digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]
