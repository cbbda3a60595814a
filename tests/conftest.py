"""What tests of many modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from corpus import Corpus

from pipeline.config import Limits
from pipeline.parse.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """One parse worker with the default limits for all tests: to start one takes longer than most tests."""
    with Sandbox(1, Limits()) as workers:
        yield workers


@pytest.fixture
def corpus(tmp_path: Path, sandbox: Sandbox) -> Corpus:
    return Corpus(tmp_path, sandbox)
