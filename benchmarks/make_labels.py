"""Rebuilds `labels.npz` of the built-in embedder from `labels.tsv`, with the text model. Run after editing labels."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.embed.builtin.pictures import LABELS
from pipeline.embed.builtin.text import minilm, unit

SOURCE = LABELS.with_name("labels.tsv")
DESCRIPTION_SHARE = 0.5


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


def label_vectors(labels: list[Label], share: float) -> npt.NDArray[np.float32]:
    """(n, 384) unit rows: the mean of four names of the thing, and the mean of its descriptions with `share`."""
    names = [_mean(_names(label)) for label in labels]
    scenes = [_mean(list(label.descriptions)) for label in labels]
    return unit((1 - share) * np.vstack(names) + share * np.vstack(scenes))


def _names(label: Label) -> list[str]:
    name = label.name
    return [name, f"a photo of a {name}", f"{name}, {label.hypernyms}", f"a photo of a {name}: {label.gloss}"]


def _mean(texts: list[str]) -> npt.NDArray[np.float32]:
    return unit(minilm().embed_texts(texts).mean(axis=0, keepdims=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=DESCRIPTION_SHARE, help="weight of the descriptions, 0 to 1")
    parser.add_argument("--out", type=Path, default=LABELS)
    arguments = parser.parse_args()
    vectors = label_vectors(read_labels(SOURCE), arguments.share)
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    text_model = str(minilm().id)
    np.savez(arguments.out, vectors=vectors.astype(np.float16), text_model=text_model, source_sha256=digest)
    print(f"{arguments.out}: {vectors.shape}, {text_model}")


if __name__ == "__main__":
    main()
