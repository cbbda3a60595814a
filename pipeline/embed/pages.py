"""One way to get a page model: by a name of the catalog, a hub repository at a commit, or a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.embed import PageModel, Reader
from pipeline.embed.catalog import LATE, Entry, catalog, is_folder, resolve, unknown
from pipeline.embed.choices import Choices
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.embed.late_checkpoint import Checkpoint


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

    `name` is one of the catalog ("builtin", "colqwen2-v1.0"), REPOSITORY@COMMIT of Hugging Face's hub, for an adapter
    REPOSITORY@COMMIT+BASE@COMMIT, or a folder ("./my-model", "/models/x", "~/x"). Cheap: weights load at the first page
    or query; of a hub model that is not on this machine the configuration is fetched. Raises UsageError for a name that
    is none of these, and for a model whose licence is not accepted.
    """
    chosen: dict[str, Any] = {"reader": reader} | ({"pooling": pooling} if pooling else {})
    if is_folder(name):
        from pipeline.embed.late import LatePages
        from pipeline.embed.late_checkpoint import from_folder

        return LatePages(from_folder(Path(name).expanduser()), choices, threads=threads, **chosen)
    named, _, base = name.partition("+")
    called, _, commit = named.partition("@")
    entry = _entry(called)
    if entry is not None:
        choices.check_licence(called, entry)
    if "/" in called or (entry is not None and entry.loader == LATE):
        from pipeline.embed.late import LatePages

        return LatePages(_on_hub(called, commit, base, entry), choices, threads=threads, **chosen)
    if entry is None:
        raise unknown(called if commit else name, catalog("pages"), "pages")
    if commit:
        raise UsageError(f'"{name}": {called} has no commits to choose from; set `pages` to "{called}"')
    made: PageModel = resolve(entry)(threads=threads, **chosen)
    return made


def _on_hub(called: str, commit: str, base: str, entry: Entry | None) -> Checkpoint:
    """The checkpoint of a name of the catalog or a repository; what is named with it goes before what is pinned."""
    from pipeline.embed.late_checkpoint import from_hub

    under, _, under_commit = base.partition("@")
    if entry is None:
        return from_hub(called, commit, under, under_commit)
    repository = entry.repository or called
    return from_hub(repository, commit or entry.commit, under or entry.second, under_commit or entry.second_commit)


def _entry(called: str) -> Entry | None:
    """The catalog's entry of a name or of a repository."""
    by_repository = {known.repository: known for known in catalog("pages").values() if known.repository}
    return catalog("pages").get(called) or by_repository.get(called)
