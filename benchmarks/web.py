"""Main content of web pages: docmill's against other extractors, by word F1 and by segments that must (not) be there.

    python -m benchmarks.web [DATA] [--half 0|1] [--pages]

Word F1 compares bags of words: of the reference text of a page (its `.expected.html`, all visible text) and of what an
extractor gives. Segments count for the extractor that gives those that must be there and does not give the others.
trafilatura and readability-lxml take part if they are installed (`pip install trafilatura readability-lxml`).
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from lxml import html as lxml_html

Extract = Callable[[bytes], str]
WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Case:
    """A page with its reference text, or with segments."""

    name: str
    page: bytes
    reference: str = ""
    wanted: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()


@dataclass(slots=True)
class Score:
    f1: list[float] = field(default_factory=list)
    precision: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    found: int = 0
    wanted: int = 0
    leaked: int = 0
    unwanted: int = 0
    seconds: float = 0.0

    def segments_f1(self) -> float:
        """Of wanted segments found against unwanted ones that leaked in."""
        return 2 * self.found / max(1, self.wanted + self.found + self.leaked)


def docmill(page: bytes) -> str:
    from pipeline.parse.html import read_html
    from pipeline.parse.html_tree import page_text

    _, parts, _ = read_html(page_text(page), lambda _: None, _NoPictures())  # type: ignore[arg-type]
    return "\n".join(part.text for part in parts)


def unstructured(page: bytes) -> str:
    from pipeline.parse.unstructured_setup import prepare

    prepare()
    from unstructured.partition.html import partition_html

    from pipeline.parse.html_tree import page_text

    return "\n".join(element.text for element in partition_html(text=page_text(page), languages=[""]))


def trafilatura(page: bytes, **options: bool) -> str:
    from trafilatura import extract

    return extract(page, include_comments=False, include_tables=True, **options) or ""


def trafilatura_recall(page: bytes) -> str:
    return trafilatura(page, favor_recall=True)


def readability_lxml(page: bytes) -> str:
    from readability import Document

    from pipeline.parse.html_tree import page_text

    return _text(Document(page_text(page)).summary())


def body_text(page: bytes) -> str:
    """Everything that is visible: what an extractor has to beat."""
    from pipeline.parse.html_main import main_content, visible_text
    from pipeline.parse.html_tree import parse_page

    root = parse_page(page)
    return "" if root is None else visible_text(main_content(root, whole=True))


EXTRACTORS: dict[str, Extract] = {
    "docmill": docmill,
    "unstructured": unstructured,
    "trafilatura": trafilatura,
    "trafilatura, favor_recall": trafilatura_recall,
    "readability-lxml": readability_lxml,
    "all visible text": body_text,
}


def word_f1(text: str, reference: str) -> tuple[float, float, float]:
    """(F1, precision, recall) of bags of lower-case words.

    >>> word_f1("the mill turns", "The mill")
    (0.8, 0.6666666666666666, 1.0)
    """
    given, true = Counter(WORD.findall(text.lower())), Counter(WORD.findall(reference.lower()))
    same = (given & true).total()
    precision, recall = same / max(1, given.total()), same / max(1, true.total())
    return (2 * precision * recall / (precision + recall) if same else 0.0), precision, recall


def cases(data: Path) -> Iterator[Case]:
    folder = data / "gold/web"
    for path in sorted((folder / "readability").glob("*.expected.html")):
        name = path.name.removesuffix(".expected.html")
        page = (path.parent / f"{name}.html").read_bytes()
        yield Case(name, page, reference=_text(path.read_text("utf-8")))
    for line in (folder / "trafilatura_segments.jsonl").read_text("utf-8").splitlines():
        found = json.loads(line)
        page = (folder / "trafilatura" / found["file"]).read_bytes()
        yield Case(found["file"], page, wanted=tuple(found["with"]), unwanted=tuple(found["without"]))


def score(extract: Extract, case: Case, into: Score) -> None:
    started = time.perf_counter()
    text = extract(case.page)
    into.seconds += time.perf_counter() - started
    if case.reference:
        f1, precision, recall = word_f1(text, case.reference)
        into.f1.append(f1)
        into.precision.append(precision)
        into.recall.append(recall)
    flat = _flat(text)
    into.found += sum(_flat(segment) in flat for segment in case.wanted)
    into.leaked += sum(_flat(segment) in flat for segment in case.unwanted)
    into.wanted, into.unwanted = into.wanted + len(case.wanted), into.unwanted + len(case.unwanted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data/dev"))
    parser.add_argument("--half", type=int, choices=(0, 1), help="only every second page, to see what is by chance")
    parser.add_argument("--pages", action="store_true", help="the F1 of every page")
    options = parser.parse_args()
    chosen = [case for number, case in enumerate(cases(options.data)) if options.half in (None, number % 2)]
    scores: dict[str, Score] = {}
    for name, extract in EXTRACTORS.items():
        scores[name] = Score()
        try:
            for case in chosen:
                score(extract, case, scores[name])
        except ImportError as error:
            print(f"{name}: not installed ({error.name})")
            del scores[name]
    _show(scores)
    if options.pages:
        _show_pages([case.name for case in chosen if case.reference], scores)
    best = max(fmean(one.f1) for name, one in scores.items() if name != "docmill")
    return 0 if fmean(scores["docmill"].f1) >= best else 1


def _show(scores: dict[str, Score]) -> None:
    print("| extractor | word F1 | precision | recall | segments found | leaked | segments F1 | ms a page |")
    print("|---|---|---|---|---|---|---|---|")
    for name, one in scores.items():
        means = " | ".join(f"{fmean(values):.3f}" for values in (one.f1, one.precision, one.recall))
        pages = len(one.f1) + one.wanted / 3
        print(
            f"| {name} | {means} | {one.found} of {one.wanted} | {one.leaked} of {one.unwanted} | "
            f"{one.segments_f1():.3f} | {1000 * one.seconds / pages:.0f} |"
        )


def _show_pages(names: list[str], scores: dict[str, Score]) -> None:
    print("\npage" + "".join(f"  {name[:14]:>14}" for name in scores))
    for number, name in enumerate(names):
        print(f"{name[:24]:24}" + "".join(f"  {one.f1[number]:14.3f}" for one in scores.values()))


def _text(markup: str) -> str:
    root = lxml_html.document_fromstring(markup)
    return " ".join(" ".join(root.itertext()).split())


def _flat(text: str) -> str:
    return "".join(WORD.findall(text.lower()))


class _NoPictures:
    def write(self, *_: object) -> None:
        return None


if __name__ == "__main__":
    raise SystemExit(main())
