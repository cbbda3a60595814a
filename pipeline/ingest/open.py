"""Opens a run: settings to models, store, lock and work folder, and closes them again."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from pipeline.config import Settings
from pipeline.embed import PageModel, Unified
from pipeline.embed.choices import choices_of
from pipeline.embed.unified import accepted_terms
from pipeline.errors import UsageError
from pipeline.ingest.in_force import in_force, with_names
from pipeline.ingest.manifest import Manifest, store_name
from pipeline.ingest.recipes import load_named, recipes_of
from pipeline.ingest.run import Ingest
from pipeline.sources.listing import discover, pages
from pipeline.store import Models, Store, VectorSet, doc_id, find_store, open_store
from pipeline.store.lock import SHARED, WORK


@contextmanager
def open_ingest(
    settings: Settings,
    specs: Sequence[str],
    *,
    run_id: str,
    cwd: Path,
    now: Callable[[], dt.datetime],
    manifest: Manifest | None = None,
    waiting: Callable[[str], None] | None = None,
) -> Iterator[Ingest]:
    """One run under the store's writer lock. The models are named, not loaded; the store is made if it is not there,
    but not for sources that do not exist or are empty, nor for a manifest that was made for another store or recipe.
    While another run writes to the store this one waits, and `waiting` is told for whom.

    Raises `StoreBusy`, `NotAStore`, `ModelMismatch`, `UsageError`.
    """
    check_sources(settings, specs, cwd, manifest)
    unified, page_model = models_of(settings)
    models = models_to_pin(settings, unified, page_model)
    store = open_store(settings.store, create=models, wait_s=settings.lock_wait_s, waiting=waiting)
    with store.writer(settings.lock_wait_s, waiting):
        work_dir = work_folder(settings.store)
        second = partial(_load_set, settings)
        run = Ingest(
            settings, store, unified, page_model, run_id=run_id, now=now, work_dir=work_dir, cwd=cwd, second=second
        )
        try:
            yield run
        finally:
            run.close()


def check_sources(settings: Settings, specs: Sequence[str], cwd: Path, manifest: Manifest | None) -> None:
    """Raise `UsageError` for sources that are not there or, for a store that is not there, hold no files; and for a
    manifest that was made for another store or recipe."""
    found, web = discover(specs, settings.sources, settings.limits, cwd=cwd), pages(specs, cwd)
    if manifest is not None:
        manifest.check(store_name(settings.store), recipes_of(settings, *models_of(settings)).attempt)
    if manifest is None and not web and next(found, None) is None:
        _check_there(settings.store, specs)


@contextmanager
def open_shared(
    settings: Settings,
    *,
    run_id: str,
    cwd: Path,
    now: Callable[[], dt.datetime],
    turn: Callable[[Store], AbstractContextManager[None]],
    create: bool = False,
) -> Iterator[Ingest]:
    """A run beside other runs of this kind and one that has the store to itself; it writes within `turn`.

    Raises `UsageError` if there is no store, unless it is to be made, `NotAStore`, `ModelMismatch`.
    """
    unified, page_model = models_of(settings)
    models = models_to_pin(settings, unified, page_model)
    store = open_store(settings.store, create=models) if create else find_store(settings.store, models)
    if store is None:
        raise UsageError(f"no docmill store at {settings.store}: run `docmill ingest` first, or give --store")
    with shared_folder(settings.store) as work_dir:
        second, turns = partial(_load_set, settings), partial(turn, store)
        run = Ingest(
            settings,
            store,
            unified,
            page_model,
            run_id=run_id,
            now=now,
            work_dir=work_dir,
            cwd=cwd,
            turn=turns,
            second=second,
        )
        try:
            yield run
        finally:
            run.close()


@contextmanager
def shared_folder(store: str) -> Iterator[Path]:
    """An empty folder for the intermediate files of one run of several; what killed ones left is cleared first.

    A lock beside each folder, which the system frees when its holder dies, tells the dead from the living.
    """
    parent = _work(store).with_name(SHARED)
    parent.mkdir(parents=True, exist_ok=True)
    with FileLock(parent / "lock"):
        _clear_dead(parent)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        lock = FileLock(folder.with_suffix(".lock"))
        lock.acquire()
    try:
        yield folder / "work"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        folder.with_suffix(".lock").unlink(missing_ok=True)


def _clear_dead(parent: Path) -> None:
    for folder in parent.glob("run-*"):
        if folder.suffix == ".lock":
            continue
        try:
            with FileLock(folder.with_suffix(".lock"), timeout=0):
                shutil.rmtree(folder, ignore_errors=True)
        except Timeout:
            continue
        folder.with_suffix(".lock").unlink(missing_ok=True)


def _check_there(store: str, specs: Sequence[str]) -> None:
    """No store is made for a folder without files."""
    try:
        open_store(store)
    except UsageError as error:
        raise UsageError(f"{', '.join(specs)}: no files in it; is it the right folder?") from error


def models_of(settings: Settings) -> tuple[Unified, PageModel]:
    """The embedders a configuration names, or those that its store was moved to since; their weights load when they are
    first asked to embed.

    Raises `UsageError` for names and OCR languages that nothing on this machine stands behind.
    """
    return load_both(in_force(settings))


def _load_set(settings: Settings, target: VectorSet) -> tuple[Unified, PageModel]:
    return load_both(with_names(settings, target.names))


def load_both(settings: Settings) -> tuple[Unified, PageModel]:
    """The embedders of exactly these names.

    Where the settings leave the precision open, it is what the store was made with, if there is one; a licence that was
    accepted for the store need not be accepted again. Raises `UsageError` for names and OCR languages that nothing on
    this machine stands behind.
    """
    pinned = _made_with(settings.store)
    return load_named(settings, pinned.dtypes() if pinned else {}, pinned.accepted if pinned else ())


def _made_with(store: str) -> Models | None:
    try:
        return open_store(store).models
    except UsageError:  # there is none yet
        return None


def models_to_pin(settings: Settings, unified: Unified, pages: PageModel) -> Models:
    """What a store that is made now is pinned to."""
    accepted = accepted_terms(choices_of(settings), settings.unified, settings.text, settings.pages_model)
    return Models(unified.id, pages.id, unified.pictures_id, accepted)


def work_folder(store: str) -> Path:
    """Where a run keeps its intermediate files, cleared of what a killed run left there. Call it under the writer
    lock."""
    folder = clear_work(store)
    folder.mkdir(parents=True)
    return folder


def clear_work(store: str) -> Path:
    """Take away what a killed run left, under the writer lock; gives the folder, now not there: inside a local store,
    in the user's cache folder for a store elsewhere."""
    folder = _work(store)
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _work(store: str) -> Path:
    if "://" in store and not store.startswith("file://"):
        return user_cache_path("docmill") / "work" / doc_id(store.rstrip("/")) / WORK
    return Path(store.removeprefix("file://")).absolute() / WORK  # workers need it absolute
