"""OCR against RapidOCR as it comes, on pages with known text: pages a second, character errors, turned pages, scripts.

    python -m benchmarks.ocr DATA [speed|turned|scripts]

`speed` reads every page with both, one after the other, three times over; ratios are of the same pages in the same run.
RapidOCR runs as `RapidOCR()` makes it: its orientation classifier, its threads, its resolutions.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

from benchmarks.ocr_pages import Page, pages, script_pages
from pipeline.embed.ocr import Ocr
from pipeline.embed.ocr_engine import has_openvino

PAIRS = 3
TURNS_DEG = (0, 90, 180, 270, 1, -1, 2, -2, 3, -3, 5, -5, 8, -8, 10, -10, 15, -15)
Read = Callable[[Page], str]


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds for the pages, and characters read wrongly of all."""

    seconds: float
    wrong: int
    all: int

    @property
    def cer(self) -> float:
        return 100 * self.wrong / self.all


def ours(ocr: Ocr) -> Read:
    return lambda page: " ".join(line.text for line in ocr.read(page.picture, page.width_pt, page.height_pt).lines)


def theirs() -> Read:
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "critical"})
    return lambda page: " ".join(engine(str(page.picture)).txts or ())


def timed(read: Read, page: Page) -> Timed:
    started = time.perf_counter()
    text = " ".join(read(page).split())
    return Timed(time.perf_counter() - started, Levenshtein.distance(text, page.text), len(page.text))


def speed(data: Path, folder: Path) -> None:
    """Each page by one and then by the other, so that whatever else the machine does falls on both."""
    made = pages(data, folder)
    readers = {"docmill": ours(Ocr()), "RapidOCR": theirs()}
    for read in readers.values():
        read(made[-1])  # loads the models
    pairs: list[dict[str, list[Timed]]] = []
    for number in range(PAIRS):
        found: dict[str, list[Timed]] = {name: [] for name in readers}
        for page in made:
            for name in sorted(readers, reverse=bool(number % 2)):
                found[name].append(timed(readers[name], page))
        pairs.append(found)
        print(f"pair {number + 1}: {_ratio(found):.2f}", flush=True)
    print(f"\nruntime: {'OpenVINO' if has_openvino() else 'ONNX Runtime'}; {len(made)} pages, {PAIRS} pairs")
    print("| page | docmill s | RapidOCR s | ratio | docmill CER % | RapidOCR CER % |\n|---|---|---|---|---|---|")
    for i, page in enumerate(made):
        print(_line(page.name, [{name: [runs[i]] for name, runs in pair.items()} for pair in pairs]))
    print(_line("all", pairs))
    ratios = sorted(map(_ratio, pairs))
    print(
        f"pages a second, docmill over RapidOCR: {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


def turned(data: Path, folder: Path) -> None:
    """Character errors by how the page was laid on the scanner; boxes are those of the page as it is."""
    read = ours(Ocr())
    print("| turned by | CER % | worst page |\n|---|---|---|", flush=True)
    for angle in TURNS_DEG:
        found = {page.name: timed(read, page) for page in pages(data, folder, turn_deg=angle)}
        worst = max(found, key=lambda name: found[name].cer)
        total = _sum(list(found.values()))
        print(f"| {angle:+d}° | {total.cer:.2f} | {worst} {found[worst].cer:.2f} |", flush=True)


def scripts(_: Path, folder: Path) -> None:
    """Character errors by script, with the models inside the wheel."""
    read = ours(Ocr())
    print("| script | CER % | read as |\n|---|---|---|", flush=True)
    for page in script_pages(folder):
        text = " ".join(read(page).split())
        bare, said = text.replace(" ", ""), page.text.replace(" ", "")
        print(f"| {page.name} | {100 * Levenshtein.distance(bare, said) / len(said):.1f} | {text[:60]} |", flush=True)


def _sum(runs: Sequence[Timed]) -> Timed:
    return Timed(sum(run.seconds for run in runs), sum(run.wrong for run in runs), sum(run.all for run in runs))


def _ratio(found: dict[str, list[Timed]]) -> float:
    return _sum(found["RapidOCR"]).seconds / _sum(found["docmill"]).seconds


def _line(name: str, pairs: Sequence[dict[str, list[Timed]]]) -> str:
    seconds = {who: float(np.median([_sum(pair[who]).seconds for pair in pairs])) for who in pairs[0]}
    cer = {who: _sum(pairs[0][who]).cer for who in pairs[0]}
    ratio = statistics.median(map(_ratio, pairs))
    return (
        f"| {name} | {seconds['docmill']:.2f} | {seconds['RapidOCR']:.2f} | {ratio:.2f} | "
        f"{cer['docmill']:.2f} | {cer['RapidOCR']:.2f} |"
    )


if __name__ == "__main__":
    which = {"speed": speed, "turned": turned, "scripts": scripts}
    with tempfile.TemporaryDirectory() as place:
        for chosen in sys.argv[2:] or list(which):
            which[chosen](Path(sys.argv[1]), Path(place))
