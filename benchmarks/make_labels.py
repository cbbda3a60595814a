"""Rebuilds `labels.npz` and `labels_e5.npz` of the built-in embedders from `labels.tsv`. Run after editing labels."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin.e5 import QUERY, e5
from pipeline.embed.builtin.pictures import E5_LABELS, LABELS
from pipeline.embed.builtin.text import minilm, unit
from pipeline.types import Vectors

SOURCE = LABELS.with_name("labels.tsv")
DESCRIPTION_SHARE = 0.5
Embed = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Label:
    name: str
    hypernyms: str
    gloss: str
    descriptions: tuple[str, ...]


def read_labels(path: Path) -> list[Label]:
    """The labels in the order of the classes; columns are described in DATA.md."""
    labels = []
    for line in path.read_text(encoding="utf-8").splitlines():
        _, _, name, hypernyms, gloss, descriptions = line.split("\t")
        labels.append(Label(name, hypernyms, gloss, tuple(descriptions.split(" | "))))
    return labels


def label_vectors(labels: list[Label], share: float, embed: Embed) -> npt.NDArray[np.float32]:
    """(n, 384) unit rows: the mean of four names of the thing, and the mean of its descriptions with `share`."""
    names = means([_names(label) for label in labels], embed)
    scenes = means([list(label.descriptions) for label in labels], embed)
    return unit((1 - share) * names + share * scenes)


def means(groups: list[list[str]], embed: Embed) -> npt.NDArray[np.float32]:
    """(groups, 384) unit rows: the mean vector of each group of texts."""
    vectors = embed([text for group in groups for text in group])
    starts = np.cumsum([0, *(len(group) for group in groups[:-1])])
    return unit(np.add.reduceat(vectors, starts, axis=0))


def _names(label: Label) -> list[str]:
    name = label.name
    return [name, f"a photo of a {name}", f"{name}, {label.hypernyms}", f"a photo of a {name}: {label.gloss}"]


def _as_queries(texts: Sequence[str]) -> Vectors:
    return e5().embed(texts, QUERY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=DESCRIPTION_SHARE, help="weight of the descriptions, 0 to 1")
    parser.add_argument("--folder", type=Path, default=LABELS.parent, help="where the two files go")
    given = parser.parse_args()
    labels = read_labels(SOURCE)
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    captions = _as_queries([text for label in labels for text in label.descriptions])
    made = {
        LABELS.name: (minilm().id, minilm().embed_texts, {}),
        E5_LABELS.name: (e5().id, _as_queries, {"query_mean": captions.mean(axis=0)}),
    }
    for name, (text_model, embed, more) in made.items():
        vectors = label_vectors(labels, given.share, embed).astype(np.float16)
        np.savez(given.folder / name, vectors=vectors, text_model=str(text_model), source_sha256=digest, **more)
        print(f"{given.folder / name}: {vectors.shape}, {text_model}")


if __name__ == "__main__":
    main()
