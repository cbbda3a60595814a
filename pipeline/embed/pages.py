"""One way to get a page model: by a name of the catalog, a hub repository at a commit, or a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.embed import PageModel, Reader
from pipeline.embed.catalog import LATE, Entry, catalog, is_folder, resolve, unknown
from pipeline.embed.choices import Choices
from pipeline.errors import UsageError


def load_pages(
    name: str,
    choices: Choices = Choices(),  # noqa: B008
    *,
    threads: int = 0,
    pooling: int = 0,
    reader: Reader | None = None,
) -> PageModel:
    """The page model `name`; `threads` of compute, 0 leaves the library's own choice; `pooling` of vectors, 0 leaves
    the model's own. `reader` reads pages without a text layer, by default OCR with the models inside the wheel.

    `name` is one of the catalog ("builtin", "colqwen2-v1.0"), REPOSITORY@COMMIT of Hugging Face's hub, or a folder
    ("./my-model", "/models/x", "~/x"). Cheap: weights load at the first page or query; of a hub model that is not on
    this machine the configuration is fetched. Raises UsageError for a name that is none of these, and for a model
    whose licence or needs are not met.
    """
    chosen: dict[str, Any] = {"reader": reader} | ({"pooling": pooling} if pooling else {})
    if is_folder(name):
        from pipeline.embed.late import LatePages
        from pipeline.embed.late_checkpoint import from_folder

        return LatePages(from_folder(Path(name).expanduser()), threads=threads, **chosen)
    called, _, commit = name.partition("@")
    entry = _entry(called)
    if entry is not None:
        choices.check_licence(called, entry)
        _check_needs(called, entry)
    if "/" in called or (entry is not None and entry.loader == LATE):
        from pipeline.embed.late import LatePages
        from pipeline.embed.late_checkpoint import from_hub

        repository, pinned = (called, "") if entry is None else (entry.repository or called, entry.commit)
        return LatePages(from_hub(repository, commit or pinned), threads=threads, **chosen)
    if entry is None:
        raise unknown(called if commit else name, catalog("pages"), "pages")
    if commit:
        raise UsageError(f'"{name}": {called} has no commits to choose from; set `pages` to "{called}"')
    made: PageModel = resolve(entry)(threads=threads, **chosen)
    return made


def _entry(called: str) -> Entry | None:
    """The catalog's entry of a name or of a repository."""
    by_repository = {known.repository: known for known in catalog("pages").values() if known.repository}
    return catalog("pages").get(called) or by_repository.get(called)


def _check_needs(called: str, entry: Entry) -> None:
    if entry.loader == "colpali-engine":
        raise UsageError(
            f"{called}: its classes are those of the package colpali-engine, which docmill does not load; set `pages` "
            "to a model that transformers loads: colpali-v1.3, colqwen2-v1.0 or colmodernvbert@COMMIT"
        )
