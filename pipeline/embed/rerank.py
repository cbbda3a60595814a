"""A cross-encoder: reads a question and a passage together and says how well the one answers the other.

Named by a folder or by a repository of the hub at a commit, and loaded by sentence-transformers. Code that comes with a
model does not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.embed import hub
from pipeline.embed.builtin.windows import encodable
from pipeline.embed.catalog import is_folder
from pipeline.embed.choices import Choices
from pipeline.embed.device import Passes, device_of
from pipeline.errors import UsageError

SETTING = "rerank"


def load_reranker(name: str, choices: Choices = Choices()) -> CrossEncoder | None:  # noqa: B008
    """The cross-encoder `name`, None for an empty name. Cheap: weights load at the first scores.

    Raises UsageError at once for a folder that is not there, a commit that is none, a model that is neither on this
    machine nor to be had, and one that is no cross-encoder.
    """
    if not name:
        return None
    repository, _, commit = name.partition("@")
    if is_folder(name):
        place = hub.in_folder(Path(name).expanduser(), SETTING)
    elif "/" not in repository:
        raise UsageError(
            f'"{name}": `{SETTING}` is a folder ("./my-reranker") or REPOSITORY@COMMIT, such as '
            "cross-encoder/ms-marco-MiniLM-L6-v2@COMMIT"
        )
    else:
        place = hub.on_hub(repository, commit, SETTING)
        hub.check_there(place)
    _check_kind(place)
    return CrossEncoder(place, choices)


def _check_kind(place: hub.Place) -> None:
    config = hub.config_of(place)
    named = str((config.get("architectures") or ["no architecture"])[0])
    labels = len(config.get("id2label") or {}) or int(config.get("num_labels") or 1)
    if not named.endswith("ForSequenceClassification") or labels != 1:
        what = f"{named} with {labels} labels" if named.endswith("ForSequenceClassification") else named
        raise UsageError(
            f"{place.called}: {what} is no reranker; `{SETTING}` takes a cross-encoder with one score "
            "(...ForSequenceClassification with one label)"
        )


class CrossEncoder:
    """Scores of passages for a question by a loaded checkpoint. What is longer than it reads is cut off at the end."""

    def __init__(self, place: hub.Place, choices: Choices) -> None:
        self._place, self._choices = place, choices
        self._passes = Passes(device_of(choices), choices.batch)

    @property
    def name(self) -> str:
        return self._place.called

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """One score a text, higher for a better answer; they order the passages of one question."""
        pairs = [(encodable(query), encodable(text)) for text in texts]
        order = sorted(range(len(pairs)), key=lambda place: len(pairs[place][1]))  # little padding
        made = self._passes.run([pairs[place] for place in order], self._predict, self.name)
        found = np.zeros(len(pairs), np.float32)
        found[order] = np.concatenate(made) if made else []
        if not np.isfinite(found).all():
            raise UsageError(f"{self.name}: its scores are not finite numbers; set `{SETTING}` to another model")
        return [float(score) for score in found]

    def _predict(self, pairs: Sequence[tuple[str, str]]) -> Any:
        return self._model.predict(list(pairs), batch_size=len(pairs), show_progress_bar=False)

    @cached_property
    def _model(self) -> Any:
        folder = hub.files_of(self._place, SETTING)
        from sentence_transformers import CrossEncoder as Loaded

        try:
            return Loaded(str(folder), device=device_of(self._choices), local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(f"{self.name}: cannot be loaded as a cross-encoder ({reason})") from error
