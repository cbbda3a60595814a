"""What is said of a PDF that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Limits
from pipeline.errors import Unreadable
from pipeline.parse import ParseOptions, pdf
from pipeline.types import Blob, Route


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7 nothing more", b"%PDF-1.7\n" + b"1 0 obj <</Kids 3 0 R>>\n" * 99])
def test_a_reason_is_short_and_names_no_path(data: bytes, tmp_path: Path) -> None:
    """The file and what is wrong with it, in one line, without the folder it lies in or what was tried to mend it."""
    path = tmp_path / "ledger.pdf"
    path.write_bytes(data)
    blob = Blob(path.as_uri(), path, "", len(data), "application/pdf", path.name)
    with pytest.raises(Unreadable) as caught:
        next(pdf.parse(blob, tmp_path, ParseOptions(Limits(), lambda _: Route("text", "test"))))

    said = str(caught.value)
    assert said.startswith("ledger.pdf: ")
    assert len(said) < 150
    assert not any(words in said for words in (str(tmp_path), "repair", "\n"))
