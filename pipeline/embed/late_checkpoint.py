"""Late-interaction checkpoints by name: a local folder, or a pinned commit of a repository on Hugging Face's hub.

Code that comes with a checkpoint is never run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.embed import hub
from pipeline.embed.late_architecture import ARCHITECTURES, BY_BASE
from pipeline.errors import UsageError

DIM = 128  # where the configuration does not say otherwise


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What pins a checkpoint, and where its files are; of an adapter also those of its `base`."""

    place: hub.Place
    name: str
    dim: int
    architecture: str
    base: hub.Place | None = None

    @property
    def revision(self) -> str:
        parts = (self.place, self.base)
        return "+".join(dict.fromkeys(part.revision for part in parts if part is not None))


def from_folder(folder: Path) -> Checkpoint:
    """The checkpoint in a local folder; of an adapter, the base is in `base` in it.

    Raises UsageError for a folder without such a checkpoint.
    """
    place = hub.in_folder(folder, "pages")
    base = _base_in(place) if (folder / "adapter_config.json").is_file() else None
    place = hub.as_adapter(place) if base is not None else place
    config = hub.config_of(base or place)
    architecture = _architecture(config, str(folder), is_base=base is not None)
    for part in (place, base):
        if part is not None and part.folder is not None and not hub.has_weights(part.folder, part.weights):
            raise hub.without_weights(part)
    return Checkpoint(place, f"{place.name}/{architecture}", _dim(config), architecture, base)


def from_hub(repository: str, commit: str, base: str = "", base_commit: str = "") -> Checkpoint:
    """The checkpoint of a hub repository at a commit; of an adapter, `base` is the repository that it changes.

    Raises UsageError if it is neither here nor to be had.
    """
    place = hub.on_hub(repository, commit, "pages")
    if not base:
        config = hub.config_of(place)
        return Checkpoint(place, repository, _dim(config), _architecture(config, place.called))
    place, under = hub.as_adapter(place), hub.on_hub(base, base_commit, "pages")
    hub.check_there(place)
    config = hub.config_of(under)
    architecture = _architecture(config, under.called, is_base=True)
    return Checkpoint(place, repository, _dim(config), architecture, under)


def files_of(checkpoint: Checkpoint) -> tuple[Path, Path | None]:
    """The folder with all files, and the base's; those of a hub model are downloaded the first time.

    Raises UsageError.
    """
    base = checkpoint.base
    return hub.files_of(checkpoint.place, "pages"), None if base is None else hub.files_of(base, "pages")


def _base_in(place: hub.Place) -> hub.Place:
    assert place.folder is not None
    folder = place.folder / "base"
    if not folder.is_dir():
        told = hub.config_of(hub.as_adapter(place)).get("base_model_name_or_path") or "another model"
        raise UsageError(f"{place.folder}: it holds an adapter of {told}; put that model's files into {folder}")
    return replace(place, folder=folder)  # its files are in the hash of the folder that it is in


def _architecture(config: dict[str, Any], called: str, *, is_base: bool = False) -> str:
    named = config.get("architectures")
    found = str(named[0]) if isinstance(named, list) and named else "no architecture"
    if is_base:
        found = BY_BASE.get(str(config.get("model_type")), found)
    if found not in ARCHITECTURES:
        raise UsageError(
            f"{called}: {found} is no late-interaction model that docmill loads; known: {', '.join(ARCHITECTURES)}. "
            "Code that comes with a model is never run"
        )
    return found


def _dim(config: dict[str, Any]) -> int:
    dim = config.get("embedding_dim") or config.get("dim") or DIM
    return dim if isinstance(dim, int) and dim > 0 else DIM
