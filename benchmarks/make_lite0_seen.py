"""Rebuilds `lite0_seen.npz`: what torch sees on the drawings by which other engines are checked."""

from __future__ import annotations

import numpy as np

from pipeline.embed.builtin.lite0 import classify
from pipeline.embed.builtin.lite0_check import SEEN, seen


def main() -> None:
    np.savez_compressed(SEEN, probabilities=seen(classify).astype(np.float16))
    print(f"{SEEN.name}: {SEEN.stat().st_size} bytes")


if __name__ == "__main__":
    main()
