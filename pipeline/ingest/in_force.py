"""Which models a store is used with: those of the settings, or those it was moved to after they were made."""

from __future__ import annotations

from pipeline.config import Settings
from pipeline.errors import DocmillError
from pipeline.store import Names, open_store


def in_force(settings: Settings) -> Settings:
    """The settings with the names of the models that the store was switched to, if theirs are those before the switch.

    So no search and no scheduled run fails between a switch and the edit of `docmill.toml`.
    """
    try:
        sets = open_store(settings.store).sets
    except DocmillError:  # not there, or not to be read: who opens it next says so
        return settings
    return with_names(settings, sets.live.names) if names_of(settings) in sets.former else settings


def names_of(settings: Settings) -> Names:
    return Names(settings.unified, settings.pages_model, settings.text)


def with_names(settings: Settings, names: Names) -> Settings:
    return settings.model_copy(update={"unified": names.unified, "text": names.text, "pages_model": names.pages})
