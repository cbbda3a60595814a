"""Late-interaction checkpoints by name: a local folder, or a pinned commit of a repository on Hugging Face's hub.

Code that comes with a checkpoint is never run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.embed import hub
from pipeline.embed.late_grid import GRIDS
from pipeline.errors import UsageError

DIM = 128  # of the three architectures, where the configuration does not say otherwise


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What pins a checkpoint, and where its files are."""

    place: hub.Place
    name: str
    dim: int
    architecture: str

    @property
    def revision(self) -> str:
        return self.place.revision


def from_folder(folder: Path) -> Checkpoint:
    """The checkpoint in a local folder. Raises UsageError for a folder without such a checkpoint."""
    place = hub.in_folder(folder, "pages")
    config = hub.config_of(place)
    architecture = _architecture(config, str(folder))
    if not hub.has_weights(folder):
        raise UsageError(f"{folder}: it has no weights (model.safetensors); save the model with save_pretrained")
    return Checkpoint(place, f"{place.name}/{architecture}", _dim(config), architecture)


def from_hub(repository: str, commit: str) -> Checkpoint:
    """The checkpoint of a hub repository at a commit. Raises UsageError if it is neither here nor to be had."""
    place = hub.on_hub(repository, commit, "pages")
    config = hub.config_of(place)
    return Checkpoint(place, repository, _dim(config), _architecture(config, place.called))


def files_of(checkpoint: Checkpoint) -> Path:
    """The folder with all files; those of a hub model are downloaded the first time. Raises UsageError."""
    return hub.files_of(checkpoint.place, "pages")


def _architecture(config: dict[str, Any], called: str) -> str:
    named = config.get("architectures")
    found = str(named[0]) if isinstance(named, list) and named else "no architecture"
    if found not in GRIDS:
        raise UsageError(
            f"{called}: {found} is no late-interaction model that docmill loads; known: {', '.join(GRIDS)}. "
            "Code that comes with a model is never run"
        )
    return found


def _dim(config: dict[str, Any]) -> int:
    dim = config.get("embedding_dim", DIM)
    return dim if isinstance(dim, int) and dim > 0 else DIM
