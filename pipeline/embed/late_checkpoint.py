"""Late-interaction checkpoints by name: a local folder, or a pinned commit of a repository on Hugging Face's hub.

Naming one costs no weights: its configuration is read (and fetched, for a hub model that is not here yet). Code that
comes with a checkpoint is never run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.embed.late_grid import GRIDS
from pipeline.errors import UsageError

COMMIT = re.compile(r"[0-9a-f]{40}")
DIM = 128  # of the three architectures, where the configuration does not say otherwise
FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
SAMPLES, SAMPLE_BYTES = 16, 1 << 16  # of a weight file; all of it would take seconds a gigabyte
REACH_S = 5.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What pins a checkpoint, and where its files are: in `folder`, or in a `repository` at `commit`."""

    name: str
    revision: str
    dim: int
    architecture: str
    folder: Path | None = None
    repository: str = ""
    commit: str = ""


def from_folder(folder: Path) -> Checkpoint:
    """The checkpoint in a local folder, as `save_pretrained` writes it.

    Its revision is a hash of its configuration and processor files and, of each weight file, of size, header and 16
    places: a model that was trained on is another one. Raises UsageError for a folder without such a checkpoint.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; set `pages` to a folder, a name or REPOSITORY@COMMIT")
    config = _config(folder, str(folder))
    architecture = _architecture(config, str(folder))
    if not has_weights(folder):
        raise UsageError(f"{folder}: it has no weights (model.safetensors); save the model with save_pretrained")
    name = f"{folder.absolute().name}/{architecture}"
    return Checkpoint(name, _fingerprint(folder), _dim(config), architecture, folder=folder.absolute())


def from_hub(repository: str, commit: str) -> Checkpoint:
    """The checkpoint of a hub repository at a commit. Raises UsageError if it is neither here nor to be had."""
    if not COMMIT.fullmatch(commit):
        raise UsageError(
            f'{repository}: a hub model is pinned to a commit of 40 hexadecimal digits, found "{commit}"; set `pages` '
            f'to "{repository}@COMMIT" (see https://huggingface.co/{repository}/commits/main)'
        )
    called = f"{repository}@{commit[:12]}"
    config = _config(_fetched_config(repository, commit, called).parent, called)
    architecture = _architecture(config, called)
    return Checkpoint(repository, commit[:12], _dim(config), architecture, repository=repository, commit=commit)


def files_of(checkpoint: Checkpoint) -> Path:
    """The folder with all files; those of a hub model are downloaded the first time. Raises UsageError."""
    if checkpoint.folder is not None:
        return checkpoint.folder
    from huggingface_hub import snapshot_download

    called = f"{checkpoint.repository}@{checkpoint.revision}"
    wanted: dict[str, Any] = {"revision": checkpoint.commit, "allow_patterns": FILES}
    try:
        here = Path(snapshot_download(checkpoint.repository, local_files_only=True, **wanted))
        if has_weights(here):
            return here
    except OSError:  # not all of it is in the cache
        pass
    with_network(called)
    try:
        folder = Path(snapshot_download(checkpoint.repository, **wanted))
    except OSError as error:
        raise _not_fetched(called, error) from error
    if not has_weights(folder):
        raise UsageError(f"{called}: it has no weights as safetensors; choose another model with `pages`")
    return folder


def has_weights(folder: Path) -> bool:
    """True if the weights are there as safetensors, in one file or all parts."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return (folder / "model.safetensors").is_file()
    parts = set(json.loads(index.read_text()).get("weight_map", {}).values())
    return bool(parts) and all((folder / part).is_file() for part in parts)


def with_network(called: str) -> None:
    """Raises UsageError at once if the hub cannot be reached; its library would try for half a minute."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    try:
        get_session().head(constants.ENDPOINT, timeout=REACH_S)
    except (HTTPError, OSError) as error:
        raise _not_fetched(called, error) from error


def _fetched_config(repository: str, commit: str, called: str) -> Path:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(repository, "config.json", revision=commit)
        if isinstance(cached, str):
            return Path(cached)
        with_network(called)
        return Path(hf_hub_download(repository, "config.json", revision=commit))
    except (OSError, HFValidationError) as error:
        raise _not_fetched(called, error) from error


def _not_fetched(called: str, error: Exception) -> UsageError:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return UsageError(
        f"{called}: the model is not on this machine and cannot be downloaded "
        f"({lines[0] if lines else type(error).__name__}); check name and network, or set `pages` to a local folder"
    )


def _config(folder: Path, called: str) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"{called}: no model is in it, as it holds no config.json") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{called}: its config.json cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise UsageError(f"{called}: its config.json holds no settings")
    return config


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


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".jinja", ".model", ".safetensors") and path.is_file():
            digest.update(path.name.encode() + b"\0" + str(path.stat().st_size).encode() + b"\0")
            for part in _places(path) if path.suffix == ".safetensors" else (path.read_bytes(),):
                digest.update(part)
    return digest.hexdigest()[:12]


def _places(weights: Path) -> Iterator[bytes]:
    """The header of a safetensors file and equally spaced samples of what follows."""
    size = weights.stat().st_size
    with weights.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
        yield file.read(min(header, size))
        for sample in range(SAMPLES):
            file.seek(max(0, size - SAMPLE_BYTES) * sample // (SAMPLES - 1))
            yield file.read(SAMPLE_BYTES)
