"""Model files by name: a local folder, or a pinned commit of a repository on Hugging Face's hub.

Naming a model costs no weights: its configuration is read (and fetched, for a hub model that is not here yet). Without
a network a model that is not here is refused within seconds.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError

COMMIT = re.compile(r"[0-9a-f]{40}")
FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
NEVER = ["checkpoint-*", "onnx/*", "openvino/*"]  # of training, and for other runtimes
LAYOUT = (
    "a folder with config.json, model.safetensors, and tokenizer and processor files as save_pretrained writes them"
)
SAMPLES, SAMPLE_BYTES = 16, 1 << 16  # of a weight file; all of it would take seconds a gigabyte
REACH_S = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model's files are, in `folder` or in a `repository` at `commit`, and what pins them.

    `config` and `weights` are the files that make it whole; of an adapter they have other names (`as_adapter`).
    """

    name: str
    revision: str
    folder: Path | None = None
    repository: str = ""
    commit: str = ""
    config: str = "config.json"
    weights: str = "model.safetensors"

    @property
    def called(self) -> str:
        return str(self.folder) if self.folder is not None else f"{self.repository}@{self.revision}"


def in_folder(folder: Path, setting: str) -> Place:
    """A model in a local folder, as `save_pretrained` writes it. Raises UsageError if there is none.

    Its revision is a hash of its configuration and processor files and, of each weight file, of size, header and 16
    places: a model that was trained on is another one. `setting` is the key that named the folder.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder}: there is no such folder; set `{setting}` to a folder, a name of `docmill models` or "
            "REPOSITORY@COMMIT"
        )
    folder = folder.absolute()
    return Place(folder.name, fingerprint(folder), folder=folder)


def on_hub(repository: str, commit: str, setting: str) -> Place:
    """A model of a hub repository; asks no network. Raises UsageError if the commit is none."""
    if not COMMIT.fullmatch(commit):
        raise UsageError(
            f'{repository}: a hub model is pinned to a commit of 40 hexadecimal digits, found "{commit}"; set '
            f'`{setting}` to "{repository}@COMMIT" (see https://huggingface.co/{repository}/commits/main)'
        )
    return Place(repository, commit[:12], repository=repository, commit=commit)


def as_adapter(place: Place) -> Place:
    """The same place, where an adapter of another model is instead of a whole one."""
    return replace(place, config="adapter_config.json", weights="adapter_model.safetensors")


def config_of(place: Place) -> dict[str, Any]:
    """What its configuration says. Raises UsageError if it cannot be had or read."""
    folder = place.folder if place.folder is not None else _fetched_config(place).parent
    return read_config(folder, place.called, place.config)


def check_there(place: Place) -> None:
    """Raises UsageError at once for a hub model that is neither here nor to be had; without network if it is here."""
    if place.folder is None and not _here(place):
        with_network(place.called)
        config_of(place)


def files_of(place: Place, setting: str, more: tuple[str, ...] = ()) -> Path:
    """The folder with all files; those of a hub model are downloaded the first time. Raises UsageError.

    `more` are patterns of files beside the usual ones.
    """
    if place.folder is not None:
        if not has_weights(place.folder, place.weights):
            raise without_weights(place)
        return place.folder
    from huggingface_hub import snapshot_download

    patterns = [*FILES, *more]
    if (here := _here(place, patterns)) is not None:
        return here
    with_network(place.called)
    try:
        found = snapshot_download(
            place.repository, revision=place.commit, allow_patterns=patterns, ignore_patterns=NEVER
        )
    except OSError as error:
        raise _not_fetched(place.called, error) from error
    folder = Path(found)
    if not has_weights(folder, place.weights):
        raise UsageError(f"{place.called}: it has no weights as safetensors; choose another model with `{setting}`")
    return folder


def has_weights(folder: Path, weights: str = "model.safetensors") -> bool:
    """True if the weights are there as safetensors, in one file or all parts."""
    index = folder / f"{weights}.index.json"
    if not index.is_file():
        return (folder / weights).is_file()
    parts = set(json.loads(index.read_text()).get("weight_map", {}).values())
    return bool(parts) and all((folder / part).is_file() for part in parts)


def without_weights(place: Place) -> UsageError:
    return UsageError(f"{place.called}: it has no weights ({place.weights}); save the model with save_pretrained")


def with_network(called: str) -> None:
    """Raises UsageError at once if the hub cannot be reached; its library would try for half a minute."""
    from huggingface_hub import constants
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    try:
        get_session().head(constants.ENDPOINT, timeout=REACH_S)
    except (HTTPError, OSError) as error:
        raise _not_fetched(called, error) from error


def read_config(folder: Path, called: str, name: str = "config.json") -> dict[str, Any]:
    try:
        config = json.loads((folder / name).read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"{called}: no model is in it, as it holds no {name}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{called}: its {name} cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise UsageError(f"{called}: its {name} holds no settings")
    return config


def _here(place: Place, patterns: list[str] | None = None) -> Path | None:
    """The folder of a hub model in the cache, if its weights are there."""
    from huggingface_hub import snapshot_download

    try:
        here = snapshot_download(
            place.repository, local_files_only=True, revision=place.commit, allow_patterns=patterns or FILES
        )
    except OSError:  # not all of it is in the cache
        return None
    return Path(here) if has_weights(Path(here), place.weights) else None


def _fetched_config(place: Place) -> Path:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(place.repository, place.config, revision=place.commit)
        if isinstance(cached, str):
            return Path(cached)
        with_network(place.called)
        return Path(hf_hub_download(place.repository, place.config, revision=place.commit))
    except (OSError, HFValidationError) as error:
        raise _not_fetched(place.called, error) from error


def _not_fetched(called: str, error: Exception) -> UsageError:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return UsageError(
        f"{called}: the model is not on this machine and cannot be downloaded "
        f"({lines[0] if lines else type(error).__name__}); check name and network, or name {LAYOUT}"
    )


def fingerprint(folder: Path) -> str:
    """12 hex digits of a hash of all files that make the model in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in (".json", ".jinja", ".model", ".safetensors") and path.is_file() and not name.startswith("."):
            digest.update(name.encode() + b"\0" + str(path.stat().st_size).encode() + b"\0")
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
