"""What the last run left, in one small file in the store, so that the next one can tell without opening the store
that nothing has changed.

A seal is written by a run after which nothing is left to do or to try again, once its books balance. It holds while
the same is asked for, the same listing is found, the recipes are the same, and no table has seen a commit or a tag.
Reading it needs neither LanceDB nor the ledger; only stores in a folder have one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.config import Settings
from pipeline.errors import DocmillError
from pipeline.ingest.accounts import Summary
from pipeline.ingest.recipes import load_named, recipes_of
from pipeline.sources.listing import discover, pages
from pipeline.sources.specs import expand
from pipeline.types import Found

SEAL = ".docmill.seal.json"
NOT_ASKED: dict[str, bool | set[str]] = {
    "serve": True,
    "schedule": True,
    "sources": {"passwords"},
}  # settings that decide nothing of a listing


@dataclass(frozen=True, slots=True)
class Seal:
    """Digests (hex) of what was asked for, of the listing and of the tables; the recipes; and the counts of the run."""

    asked: str
    listing: str
    tables: str
    recipes: tuple[str, ...]
    dtypes: Mapping[str, str]  # what the table's models compute in, by name
    accepted: tuple[str, ...]  # licences accepted for them
    discovered: int
    skipped: int
    quarantined: int
    stale: int
    rows: Mapping[str, int]
    table_version: int


@dataclass(slots=True)
class Listed:
    """A listing that passes by, and its digest so far."""

    found: Iterable[Found]
    _digest: Any = field(default_factory=hashlib.sha256)

    def __iter__(self) -> Iterator[Found]:
        for item in self.found:
            self._digest.update(f"{item.uri}\0{item.revision}\0{item.skip or ''}\n".encode(errors="backslashreplace"))
            yield item

    def digest(self) -> str:
        return str(self._digest.hexdigest())


def asked(settings: Settings, specs: Sequence[str], cwd: Path) -> str:
    """Digest of what a run is asked for. Passwords are no part of it, only whether there are any."""
    chosen = settings.model_dump(mode="json", exclude=NOT_ASKED)
    known = [__version__, chosen, bool(settings.sources.passwords), str(cwd), list(expand(specs, cwd))]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def tables(store: str) -> str:
    """Digest of what commits and tags leave behind: the files that name a table's versions, their sizes and times."""
    seen = hashlib.sha256()
    for folder in sorted(Path(store).glob("*.lance")):
        for part in ("_versions", "_refs"):
            for name, status in sorted(_files(folder / part)):
                seen.update(f"{folder.name}/{part}/{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return seen.hexdigest()


def write(store: str, seal: Seal) -> None:
    """Put it in its place at once, or not at all: the next run can do without it."""
    place = Path(store) / SEAL
    with suppress(OSError):
        place.with_suffix(".part").write_text(json.dumps(asdict(seal)), encoding="utf-8")
        place.with_suffix(".part").replace(place)


def unbroken(settings: Settings, specs: Sequence[str], cwd: Path) -> Seal | None:
    """The seal of the store, if it holds for what is there now; None if it does not, or if there is none to be read."""
    seal = _read(settings.store)
    if seal is None or pages(specs, cwd) or seal.asked != asked(settings, specs, cwd):
        return None
    before = tables(settings.store)
    try:
        recipes = recipes_of(settings, *load_named(settings, seal.dtypes, seal.accepted))
    except DocmillError:  # the run itself will say it
        return None
    if seal.tables != before or seal.recipes != (recipes.rows, recipes.attempt):
        return None
    listed = Listed(discover(specs, settings.sources, settings.limits, cwd=cwd))
    for _ in listed:
        pass
    return seal if listed.digest() == seal.listing and tables(settings.store) == before else None


def summary_of(seal: Seal, run_id: str, seconds: float) -> Summary:
    """The summary of a run that found the seal unbroken."""
    return Summary(
        run_id=run_id,
        discovered=seal.discovered,
        indexed=0,
        unchanged=seal.discovered - seal.skipped - seal.quarantined,
        skipped=seal.skipped,
        quarantined=seal.quarantined,
        deleted=0,
        attachments=0,
        rows=seal.rows,
        seconds=round(seconds, 2),
        table_version=seal.table_version,
        stale=seal.stale,
    )


def _read(store: str) -> Seal | None:
    if "://" in store:
        return None
    try:
        fields = json.loads((Path(store) / SEAL).read_text(encoding="utf-8"))
        lists = {name: tuple(fields[name]) for name in ("recipes", "accepted")}
        return Seal(**(fields | lists))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file below a folder, by its path there; none if it is not there."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            with suppress(FileNotFoundError):
                yield path.relative_to(folder).as_posix(), path.stat()
