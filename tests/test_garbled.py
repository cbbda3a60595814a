"""PDF pages whose text layer says something else than what is printed, from the file to the rows, with real OCR."""

from __future__ import annotations

import random
import re

import pymupdf
import pytest
from corpus import Corpus
from fakes import WordPages

from pipeline.embed.ocr import Ocr

SENTENCE = "the keeper opens the sluice at noon and closes it when the tide turns and the wheel stands still"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def printed(text: str) -> pymupdf.Document:
    """A page with the text, in an embedded font with a map from glyphs to letters."""
    document = pymupdf.open()
    style = "* {font-family: serif; font-size: 13pt}"
    document.new_page().insert_htmlbox((60, 60, 535, 780), f"<p>{text}</p>", css=style)
    return pymupdf.open("pdf", document.tobytes(garbage=1))


def remapped(document: pymupdf.Document, letters: str | None) -> pymupdf.Document:
    """The same page whose glyphs of a to z are said to be other letters, or, with None, are not said to be anything."""
    for font in range(1, document.xref_length()):
        kind, value = document.xref_get_key(font, "ToUnicode")
        if kind != "xref":
            continue
        if letters is None:
            document.xref_set_key(font, "ToUnicode", "null")
            continue
        table = int(value.split()[0])
        lines = document.xref_stream(table).decode()
        found = re.search(r"<(\w{4})> <\w{4}> <0061>\n", lines)
        first = int(found[1], 16)
        lone = "".join(f"<{first + i:04x}> <{first + i:04x}> <{ord(c):04x}>\n" for i, c in enumerate(letters))
        document.update_stream(table, lines.replace(found[0], lone).encode())
    return document


@pytest.mark.models
def test_the_better_text_is_kept_and_the_reason_says_which(corpus: Corpus) -> None:
    """Wrong and missing maps are told from what is printed; an odd text that does stand there keeps its layer."""
    corpus.pages = WordPages(Ocr(threads=1))  # type: ignore[arg-type]
    cipher = "".join(random.Random(4).sample(LETTERS, 26))
    lot = random.Random(6)
    odd = " ".join("".join(lot.choices("bcdfghjkqvwxz", k=6)) for _ in range(60))
    remapped(printed(f"{SENTENCE} " * 6), cipher).save(corpus.folder / "wrong.pdf")
    remapped(printed(f"{SENTENCE} " * 6), None).save(corpus.folder / "missing.pdf")
    printed(odd).save(corpus.folder / "odd.pdf")
    printed(f"{SENTENCE} " * 6).save(corpus.folder / "right.pdf")
    summary = corpus.ingest()
    rows = {(row["source_uri"].rsplit("/", 1)[-1], row["modality"]): row for row in corpus.store().rows()}
    reasons = {name: row["route_reason"] for (name, _), row in rows.items()}

    assert reasons["wrong.pdf"] == "suspect-text-layer+ocr"
    assert reasons["missing.pdf"].startswith("garbled-unmapped")
    assert reasons["odd.pdf"] == "suspect-text-layer+layer"
    assert reasons["right.pdf"] == "text"
    for name in ("wrong.pdf", "missing.pdf"):
        assert SENTENCE in " ".join(rows[name, "page"]["text"].split())
        assert (name, "text") not in rows
    passages = [row["text"] for row in corpus.store().rows() if row["modality"] == "text"]
    assert any(text.split()[:9] == odd.split()[:9] for text in passages)
    assert summary.pages_read == 3
