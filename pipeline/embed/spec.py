"""A hub model or one in a folder as docmill is going to use it: what its files and the catalog say, before it loads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.embed import hub
from pipeline.embed.catalog import Entry, Task, catalog
from pipeline.embed.late_architecture import ARCHITECTURES as LATE
from pipeline.errors import UsageError

CLIP = ("CLIPModel", "SiglipModel", "Siglip2Model", "MetaClip2Model")
CONTEXT = 512  # where nothing says how much a model reads
# Models whose code is not in transformers, and those whose published weights all have one licence.
KNOWN: dict[str, tuple[Task, str]] = {
    "JinaCLIPModel": ("unified", "jina-clip-v2"),
    "JinaEmbeddingsV4Model": ("unified", "jina-v4"),
    "JinaEmbeddingsV5OmniModel": ("unified", "jina-v5-omni-small"),
    "MetaClip2Model": ("pictures", "metaclip2-b-32"),
    "EmbeddingGemma2Model": ("unified", "embeddinggemma-2"),
}
PAIR = {"text": "NomicBertModel", "vision": "NomicVisionModel"}


@dataclass(frozen=True, slots=True)
class Spec:
    """`entry` with what the files say; `places` are the model's folder or repository, and its second tower's."""

    name: str
    entry: Entry
    places: tuple[hub.Place, ...]

    @property
    def revision(self) -> str:
        return "+".join(place.revision for place in self.places)


def from_hub(name: str, entry: Entry, commit: str, setting: str) -> Spec:
    """The model of a catalog entry at its commit, or at `commit`. Asks no network. Raises UsageError."""
    places = [hub.on_hub(entry.repository, commit or entry.commit, setting)]
    if entry.second:
        places.append(hub.on_hub(entry.second, entry.second_commit, setting))
    return Spec(entry.repository if name != entry.repository else name, entry, tuple(places))


def from_repository(repository: str, commit: str, setting: str) -> Spec:
    """A repository that the catalog does not know; its configuration is fetched. Raises UsageError."""
    place = hub.on_hub(repository, commit, setting)
    entry = _read(hub.config_of(place), None, place.called)
    return Spec(repository, replace(entry, repository=repository), (place,))


def from_folder(folder: Path, setting: str) -> Spec:
    """A model in a folder: of transformers or sentence-transformers, or two towers in `text` and `vision`."""
    folder = folder.expanduser()
    if folder.is_dir() and all((folder / part / "config.json").is_file() for part in PAIR):
        return _pair(folder, setting)
    place = hub.in_folder(folder, setting)
    config = hub.config_of(place)
    entry = _read(config, place.folder, str(folder))
    return Spec(f"{place.name}/{_architecture(config)}", entry, (place,))


def with_own(spec: Spec, own: Entry) -> Spec:
    """What the user's settings say of a model goes before what its files say."""
    told = {name: getattr(own, name) for name in ("task", "dim", "context", "query", "passage") if getattr(own, name)}
    told |= {"licence": own.licence, "commercial": own.commercial, "dims": own.dims or spec.entry.dims}
    return replace(spec, entry=replace(spec.entry, **told))


def _pair(folder: Path, setting: str) -> Spec:
    places = tuple(replace(hub.in_folder(folder / part, setting), name=folder.name) for part in PAIR)
    for place, (part, wanted) in zip(places, PAIR.items(), strict=True):
        if _architecture(hub.config_of(place)) not in (wanted, "NomicBertModel"):
            raise UsageError(f"{folder / part}: it holds no {wanted}; two towers are those of Nomic Embed v1.5")
    known = catalog("unified")["nomic-v1.5"]
    dim = _width(hub.config_of(places[0]))
    return Spec(
        f"{folder.absolute().name}/NomicPair", replace(known, dim=dim, context=_context(places[0], known)), places
    )


def _read(config: Mapping[str, Any], folder: Path | None, called: str) -> Entry:
    architecture = _architecture(config)
    known = _known(architecture)
    if architecture in CLIP:
        return _clip(config, known)
    if architecture in LATE or architecture.endswith("ForRetrieval"):
        raise UsageError(f"{called}: {architecture} makes many vectors a page; name it with `pages`")
    if known is None and config.get("auto_map") and not (folder and (folder / "modules.json").is_file()):
        legs = ("text", "image")
        known = Entry("unified", "remote", _width(config), CONTEXT, "not told", True, legs, needs=("remote_code",))
    if known is not None and known.loader == "remote":
        return replace(known, dim=_remote_width(config) or known.dim)
    base = known or Entry("text", "sentence-transformers", 0, 0, "not told", True, legs=("text",))
    if folder is None:
        return replace(base, dim=base.dim or _width(config), context=base.context or CONTEXT)
    projected = int((config.get("text_config") or {}).get("embedding_dim") or 0)
    dim = projected or _module_width(folder) or _width(config) or base.dim
    has_pictures = "vision_config" in config
    prompts = {} if has_pictures else _prompts(folder)  # where pictures go in, prompts are more than a prefix
    more = ("remote_code",) if base.loader == "sentence-transformers" and _has_own_modules(folder) else ()
    return replace(
        base,
        needs=tuple(dict.fromkeys((*base.needs, *more))),
        task="unified" if has_pictures else "text",
        legs=("text", "image") if has_pictures else ("text",),
        dim=dim,
        context=_stated_context(folder, config) or base.context or CONTEXT,
        query=prompts.get("query") or base.query,
        passage=prompts.get("document") or prompts.get("passage") or base.passage,
    )


def _known(architecture: str) -> Entry | None:
    task, name = KNOWN.get(architecture, (None, ""))
    return catalog(task)[name] if task else None


def _clip(config: Mapping[str, Any], known: Entry | None) -> Entry:
    text = config.get("text_config") or {}
    dim = config.get("projection_dim") or text.get("projection_size") or text.get("hidden_size") or 768
    base = known or Entry("pictures", "clip", 0, 0, "not told", True)
    context = int(text.get("max_position_embeddings") or (77 if known else 64))
    return replace(base, task="pictures", loader="clip", dim=int(dim), context=context, legs=("image",))


def _architecture(config: Mapping[str, Any]) -> str:
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else "no architecture"


def _width(config: Mapping[str, Any]) -> int:
    text = config.get("text_config") or {}
    return int(config.get("hidden_size") or config.get("n_embd") or text.get("hidden_size") or 0)


def _remote_width(config: Mapping[str, Any]) -> int:
    return int(config.get("projection_dim") or (config.get("text_config") or {}).get("embed_dim") or 0)


def _module_width(folder: Path) -> int:
    """Of the last module of sentence-transformers that says how wide its vectors are."""
    width = 0
    for module in _json(folder / "modules.json", []):
        told = _json(folder / str(module.get("path", "")) / "config.json", {}) if module.get("path") else {}
        width = int(
            told.get("out_features") or told.get("embedding_dimension") or told.get("word_embedding_dimension") or width
        )
    return width


def _has_own_modules(folder: Path) -> bool:
    """True if a module of the model is code in its folder instead of one of sentence-transformers."""
    types = [str(module.get("type", "")) for module in _json(folder / "modules.json", [])]
    return any(not name.startswith("sentence_transformers.") for name in types)


def _prompts(folder: Path) -> dict[str, str]:
    return dict(_json(folder / "config_sentence_transformers.json", {}).get("prompts") or {})


def _stated_context(folder: Path, config: Mapping[str, Any]) -> int:
    """The least of what the files say a text may have in tokens; 0 if they say nothing."""
    told = [
        _json(folder / "sentence_bert_config.json", {}).get("max_seq_length"),
        _json(folder / "tokenizer_config.json", {}).get("model_max_length"),
        config.get("max_position_embeddings"),
        (config.get("text_config") or {}).get("max_position_embeddings"),
    ]
    return min((int(value) for value in told if isinstance(value, int) and 8 <= value < 1_000_000), default=0)


def _context(place: hub.Place, known: Entry) -> int:
    assert place.folder is not None
    return _stated_context(place.folder, hub.config_of(place)) or known.context


def _json(path: Path, otherwise: Any) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return otherwise
