"""OCR against RapidOCR as it comes, on pages with known text: pages a second, character errors, turned pages, scripts.

    python -m benchmarks ocr                     # pages a second, into the table of benchmarks/README.md
    python -m benchmarks.ocr DATA [speed|turned|scripts]

`speed` reads every page with both, one after the other, three times over; ratios are of the same pages in the same run.
RapidOCR runs as `RapidOCR()` makes it: its orientation classifier, its threads, its resolutions.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

from benchmarks.ocr_pages import Page, pages, script_pages
from benchmarks.pairs import Compared, Took
from benchmarks.pairs import timed as time_of
from pipeline.embed.ocr import Ocr
from pipeline.embed.openvino_core import has_openvino

PAIRS = 3
TURNS_DEG = (0, 90, 180, 270, 1, -1, 2, -2, 3, -3, 5, -5, 8, -8, 10, -10, 15, -15)
Read = Callable[[Page], str]


@dataclass(frozen=True, slots=True)
class Timed:
    """What the pages took, and characters read wrongly of all."""

    took: Took
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
    texts: list[str] = []
    took = time_of(lambda: texts.append(read(page)))
    text = " ".join(texts[0].split())
    return Timed(took, Levenshtein.distance(text, page.text), len(page.text))


def ocr(data: Path, pairs: int) -> list[Compared]:
    """Pages a second, with the character error rates of both."""
    with tempfile.TemporaryDirectory() as name:
        made = pages(data, Path(name))
        found = in_turns(made, pairs)
    sums = [{name: _sum(runs) for name, runs in pair.items()} for pair in found]
    rates = {name: one.cer for name, one in sums[0].items()}
    note = f"{len(made)} pages, errors {rates['docmill']:.2f} and {rates['RapidOCR']:.2f} % of characters"
    both = [(pair["docmill"].took, pair["RapidOCR"].took) for pair in sums]
    return [Compared("ocr", f"printed pages, {_runtime()}", "RapidOCR as it comes", 2.5, both, note)]


def in_turns(made: Sequence[Page], pairs: int) -> list[dict[str, list[Timed]]]:
    """Each page by one and then by the other, so that whatever else the machine does falls on both."""
    readers = {"docmill": ours(Ocr()), "RapidOCR": theirs()}
    for read in readers.values():
        read(made[-1])  # loads the models
    result: list[dict[str, list[Timed]]] = []
    for number in range(pairs):
        found: dict[str, list[Timed]] = {name: [] for name in readers}
        for page in made:
            for name in sorted(readers, reverse=bool(number % 2)):
                found[name].append(timed(readers[name], page))
        result.append(found)
        print(f"  pair {number + 1}: {_ratio(found):.2f}", flush=True)
    return result


def speed(data: Path, folder: Path) -> None:
    """A table of the pages."""
    made = pages(data, folder)
    pairs = in_turns(made, PAIRS)
    print(f"\nruntime: {_runtime()}; {len(made)} pages, {PAIRS} pairs")
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
    took = Took(sum(run.took.clock_s for run in runs), sum(run.took.cpu_s for run in runs))
    return Timed(took, sum(run.wrong for run in runs), sum(run.all for run in runs))


def _ratio(found: dict[str, list[Timed]]) -> float:
    return _sum(found["RapidOCR"]).took.clock_s / _sum(found["docmill"]).took.clock_s


def _runtime() -> str:
    return "OpenVINO" if has_openvino() else "ONNX Runtime"


def _line(name: str, pairs: Sequence[dict[str, list[Timed]]]) -> str:
    seconds = {who: float(np.median([_sum(pair[who]).took.clock_s for pair in pairs])) for who in pairs[0]}
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
