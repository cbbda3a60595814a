"""The sample documents are all described, small, and really what their description says."""

import runpy
from pathlib import Path

import pymupdf
import pytest

from pipeline.config import Limits, Sources
from pipeline.sources.local import discover

SAMPLES = Path(__file__).parents[1] / "sample_docs"


def files():
    return {
        path.relative_to(SAMPLES).as_posix(): path
        for path in SAMPLES.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_readme_lists_every_file_and_no_other():
    """Each has one line that says what it shows."""
    rows = [line.split("`")[1] for line in (SAMPLES / "README.md").read_text("utf-8").splitlines() if line[:3] == "| `"]

    assert sorted(rows) == sorted(files())


def test_the_samples_are_small():
    """A clone of the project stays light."""
    assert sum(path.stat().st_size for path in files().values()) < 2_000_000


def test_only_what_is_about_the_samples_is_left_out():
    """`.docmillignore` keeps make.py and README.md out, and no sample is skipped."""
    found = discover([str(SAMPLES)], Sources(), Limits(), cwd=Path.cwd())
    left_out = {item.path.name for item in found if item.skip and item.path and item.path.name != "__pycache__"}

    assert left_out == {"make.py", "README.md", ".docmillignore"}


def test_the_letter_has_no_text_layer_and_its_words_stand_only_there():
    """So that finding them shows that scans are read."""
    with pymupdf.open(SAMPLES / "scanned-letter.pdf") as letter, pymupdf.open(SAMPLES / "paper.pdf") as paper:
        scanned, written = (" ".join(page.get_text() for page in document) for document in (letter, paper))
        pages = len(paper)

    assert scanned.strip() == ""
    assert "sluice" not in written
    assert "38,400 kilowatt" in " ".join(written.split())
    assert pages == 2


def test_the_locked_file_opens_with_the_password_of_the_readme():
    """And with no other."""
    with pymupdf.open(SAMPLES / "locked.pdf") as document:
        assert document.needs_pass
        assert not document.authenticate("wrong")
        assert document.authenticate("tide")


@pytest.mark.slow
def test_the_samples_can_be_made_anew(tmp_path):
    """Every file but the photographs, with the names that are committed."""
    runpy.run_path(str(SAMPLES / "make.py"))["main"](tmp_path)

    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {"README.md", "make.py", ".docmillignore", "photos/cat.jpg", "photos/coffee.jpg"}
    assert made == set(files()) - kept
