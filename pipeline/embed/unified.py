"""One way to get the embedder of passages and pictures: names of the catalog, hub repositories, folders, own models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pipeline.embed import Unified
from pipeline.embed.catalog import Entry, Task, catalog, is_folder, resolve, unknown
from pipeline.embed.choices import Choices, terms
from pipeline.embed.two_spaces import TwoSpaces
from pipeline.errors import UsageError

UNIFIED: tuple[Task, ...] = ("unified", "pictures", "text")
TEXT: tuple[Task, ...] = ("text", "unified")


def load_unified(name: str, choices: Choices = Choices(), *, threads: int = 0) -> Unified:  # noqa: B008
    """The embedder `name`, or two: `choices.text` for passages and `name` for pictures.

    `name` is one of the catalog or of the user's own models, REPOSITORY@COMMIT of Hugging Face's hub, or a folder
    ("./my-model", "/models/x", "~/x"). Cheap: weights load at the first `embed_*` call. Raises UsageError for a name
    that is none of these, for a model that is for captions or for texts only and has no other beside it, for a licence
    that was not accepted and for code that was not pinned.
    """
    entry, pictures = _one(name, choices, "unified", UNIFIED, threads)
    if not choices.text:
        _check_alone(name, entry)
        return _there(pictures)
    if "image" not in entry.legs:
        raise UsageError(f"{name}: it embeds no pictures; set `unified` to a model that does, `text` is {choices.text}")
    beside = replace(choices, dims=0)  # the dimensions that were chosen are of the model named first
    text_entry, text = _one(choices.text, beside, "text", TEXT, threads)
    if "text" not in text_entry.legs:
        raise UsageError(f"{choices.text}: it embeds captions, not passages; set `text` to an embedder of texts")
    return TwoSpaces(_there(text), _there(pictures))


def _there(model: Unified) -> Unified:
    """The model, if its files are here or to be had: the last check, as it may ask the network."""
    check = getattr(model, "check_there", None)
    if check is not None:
        check()
    return model


def accepted_terms(choices: Choices, unified: str, text: str, pages: str) -> tuple[str, ...]:
    """The licences without commercial use among the models that settings name, for the store's record."""
    named = [(name, _told(name, choices, UNIFIED)) for name in (unified, text) if name]
    called = pages.partition("+")[0].partition("@")[0]
    named.append((pages, None if is_folder(pages) else _known(called, choices, ("pages",))))
    return tuple(terms(name, entry) for name, entry in named if entry is not None and not entry.commercial)


def _told(name: str, choices: Choices, tasks: tuple[Task, ...]) -> Entry | None:
    if not is_folder(name):
        return _known(name.partition("@")[0], choices, tasks)
    from pipeline.embed import spec as specs

    return specs.from_folder(Path(name), "unified").entry


def _one(name: str, choices: Choices, setting: str, tasks: tuple[Task, ...], threads: int) -> tuple[Entry, Unified]:
    called, _, commit = name.partition("@")
    entry = None if is_folder(name) else _known(called, choices, tasks)
    if entry is not None and entry.is_built_in:
        if commit:
            raise UsageError(f'"{name}": {called} has no commits to choose from; set `{setting}` to "{called}"')
        made: Unified = resolve(entry)(threads=threads)
        return entry, made
    if entry is None and not is_folder(name) and "/" not in called:
        raise unknown(name, {known: e for task in tasks for known, e in catalog(task).items()}, setting)
    from pipeline.embed import spec as specs
    from pipeline.embed.hub_unified import HubUnified

    if entry is not None and is_folder(entry.repository):
        found = specs.with_own(specs.from_folder(Path(entry.repository), setting), entry)
    elif entry is not None and called in choices.own:
        choices.check_licence(called, entry)
        found = specs.with_own(specs.from_repository(entry.repository, commit or entry.commit, setting), entry)
    elif entry is not None:
        choices.check_licence(called, entry)
        found = specs.from_hub(called, entry, commit, setting)
    elif is_folder(name):
        found = specs.from_folder(Path(name), setting)
    else:
        found = specs.from_repository(called, commit, setting)
    choices.check_licence(name, found.entry)
    if not choices.text:
        _check_alone(name, found.entry)
    return found.entry, HubUnified(found, choices, setting=setting, threads=threads)


def _check_alone(name: str, entry: Entry) -> None:
    if "image" not in entry.legs:
        raise UsageError(
            f"{name}: it embeds texts, but no pictures; set `text` to it, and `unified` to a model for pictures"
        )
    if "text" not in entry.legs:
        raise UsageError(
            f"{name}: its text side reads captions of {entry.context} tokens, so passages would be lost; name an "
            f'embedder of passages beside it, such as text = "builtin" (two vector columns, see `docmill models show`)'
        )


def _known(called: str, choices: Choices, tasks: tuple[Task, ...]) -> Entry | None:
    """The entry of a name, or of a repository: the user's own first."""
    if called in choices.own:
        return choices.own[called]
    entries = [(name, entry) for task in tasks for name, entry in catalog(task).items()]
    return next((entry for name, entry in entries if called and called in (name, entry.repository)), None)
