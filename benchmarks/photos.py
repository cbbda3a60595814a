"""How often a caption finds its own photo: R@1, R@5 and R@10 of the picture vectors alone, without any words.

    python -m benchmarks.photos [DATA]

DATA holds `gold/photos` and `gold/photos_people`, each with `captions.jsonl` and `images/`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.embed.unified import load_unified
from pipeline.types import PictureInput

DATA = Path("../shared/data/dev")
SETS = ("photos", "photos_people")


def ranks(scores: npt.NDArray[np.float32], owners: Sequence[int]) -> npt.NDArray[np.int64]:
    """The rank from 1 of each caption's own photo; `scores` is (captions, photos). A tie counts against it."""
    own = scores[np.arange(len(owners)), list(owners)]
    return np.asarray((scores >= own[:, None]).sum(axis=1), dtype=np.int64)


def line(found: npt.NDArray[np.int64]) -> str:
    shares = "  ".join(f"R@{k} {np.mean(found <= k):.3f}" for k in (1, 5, 10))
    return f"{shares}  median rank {np.median(found):.0f}  n={len(found)}"


def measure(folder: Path, model: str) -> None:
    embedder = load_unified(model)
    entries = [json.loads(text) for text in (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()]
    pictures = [PictureInput(folder / "images" / entry["image"]) for entry in entries]
    embedder.embed_pictures(pictures[:1])  # loads the weights, outside the time
    start = time.perf_counter()
    photos = embedder.embed_pictures(pictures)
    each_ms = 1000 * (time.perf_counter() - start) / len(pictures)
    print(f"{folder.name}: {len(pictures)} photos, {each_ms:.0f} ms each")
    for title, kept in (("first caption", 1), ("all captions", None)):
        pairs = [(text, owner) for owner, entry in enumerate(entries) for text in entry["captions"][:kept]]
        queries = embedder.embed_queries([text for text, _ in pairs])
        print(f"  {title:14} {line(ranks(queries @ photos.T, [owner for _, owner in pairs]))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--model", default="builtin", help="name of the unified embedder")
    arguments = parser.parse_args()
    for name in SETS:
        measure(arguments.data / "gold" / name, arguments.model)


if __name__ == "__main__":
    main()
