"""What tests of many modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command import ROOT, docmill
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


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`sample_docs/` ingested once with the built-in models, for all tests that only read it."""
    store = str(tmp_path_factory.mktemp("samples") / "store")
    done = docmill("ingest", str(ROOT / "sample_docs"), "--store", store, "--json", timeout_s=280)
    assert done.returncode == 3, done.stderr  # one document is in quarantine
    return store


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint of each late-interaction model, by its name."""
    import tiny_late
    import tiny_projected

    folder = tmp_path_factory.mktemp("checkpoints")
    makers = {**tiny_late.MAKERS, **tiny_projected.MAKERS}
    for name, make in makers.items():
        make(folder / name)
    return {name: folder / name for name in makers}
