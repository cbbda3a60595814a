"""Where the time of a run goes."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from corpus import Corpus

from pipeline.ingest.stopwatch import PARSING, STAGES, Stopwatch


def test_stages_and_the_rest_are_the_whole() -> None:
    """What no stage took is "other", and a stage that fails is counted, too."""
    watch = Stopwatch()
    with suppress(ValueError), watch.of("write"):
        time.sleep(0.02)
        raise ValueError
    watch.add(PARSING, 9.0)
    taken = watch.taken(1.0)

    assert taken["write"] >= 0.02
    assert sum(seconds for stage, seconds in taken.items() if stage != PARSING) == pytest.approx(1.0, abs=0.05)
    assert taken[PARSING] == 9.0


def test_a_run_tells_its_stages(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stage that had work took some time, and none that had not."""
    corpus.write("a.md", "# Tide\n\nThe tide turns the wheel. " * 200)
    embed = corpus.unified.embed_texts
    monkeypatch.setattr(corpus.unified, "embed_texts", lambda texts: (time.sleep(0.05), embed(texts))[1])
    stages = corpus.ingest().stages

    assert list(stages) == [*STAGES, "other", PARSING]
    assert stages["embed text"] >= 0.05
    assert (stages["OCR"], stages["embed pictures"]) == (0.0, 0.0)
    assert stages[PARSING] > 0
