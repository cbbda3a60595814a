"""Promises of the cross-encoder: it reorders passages, and them alone; it is loaded as other models are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_search import Known, KnownPages, image, make, names, page, text

from cli.main import run
from pipeline.config import SearchWeights
from pipeline.embed.choices import Choices
from pipeline.embed.rerank import load_reranker
from pipeline.errors import UsageError
from pipeline.search import RERANKED, Searcher
from pipeline.store import Store

ROOT = Path(__file__).parents[1]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Longest:
    """A reranker for which the longest text answers best. Keeps what it was given."""

    name = "longest"

    def __init__(self) -> None:
        self.read: list[str] = []

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        self.read += texts
        return [float(len(text)) for text in texts]


def reranking(store: Store, reranker: Longest) -> Searcher:
    return Searcher(store, Known(), KnownPages(), SearchWeights(), reranker=reranker)


def test_passages_trade_places_and_others_keep_theirs(tmp_path: Path) -> None:
    """The places of pictures and pages are those of a search without it; each passage tells its new rank and score."""
    rows = {f"t{n}": text("whale " + "rope " * n) for n in range(5)}
    rows |= {"i": image("whale"), "p": page("whale", ["whale"], "whale")}
    store = make(tmp_path, rows)
    before = Searcher(store, Known(), KnownPages(), SearchWeights()).search("whale")
    after = reranking(store, Longest()).search("whale")

    assert [hit.modality for hit in after] == [hit.modality for hit in before]
    assert [name for name in names(after) if name.startswith("t")] == ["t4", "t3", "t2", "t1", "t0"]
    assert next(hit.legs["rerank"] for hit in after if hit.source_uri == "t4") == {"rank": 1, "score": 26.0}
    assert [hit.source_uri for hit in after if "rerank" in hit.legs] == ["t4", "t3", "t2", "t1", "t0"]


def test_only_the_best_passages_are_read(tmp_path: Path) -> None:
    """Its cost does not grow with the table; without passages it reads nothing."""
    store = make(tmp_path, {f"t{n}": text("whale " + "rope " * (n % 9)) for n in range(RERANKED + 20)})
    reader = Longest()
    reranking(store, reader).search("whale")
    picky = Longest()
    reranking(store, picky).search("whale", modality="image")

    assert (len(reader.read), picky.read) == (RERANKED, [])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("./none", "no such folder"),
        ("my-reranker", "REPOSITORY@COMMIT"),
        ("acme/reranker", "pinned to a commit"),
        ("acme/reranker@main", "pinned to a commit"),
    ],
)
def test_a_name_that_is_none_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    """Exit code 2 before anything is searched."""
    store = make(tmp_path, {"a": text("whale")})
    code = run(["search", "whale", "--store", store.uri, "--legs", "bm25", "--rerank", name])
    printed = capsys.readouterr()

    assert (code, printed.out, len(printed.err.splitlines())) == (2, "", 1)
    assert says in printed.err


def test_it_has_no_part_in_a_search_by_picture(capsys: pytest.CaptureFixture[str]) -> None:
    """There is no question to read."""
    assert run(["search", "--image", "a.png", "--rerank", "./x"]) == 2
    assert "--rerank goes with words" in capsys.readouterr().err


@pytest.mark.models
def test_a_model_that_is_not_here_is_refused_offline(tmp_path: Path) -> None:
    """Nothing is downloaded and nothing waited for: one line that names the model."""
    code = f"from pipeline.embed.rerank import load_reranker; load_reranker('acme/reranker@{COMMIT}')"
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=60
    )

    assert "UsageError: acme/reranker@0123456789ab: the model is not on this machine" in done.stderr


@pytest.mark.models
def test_a_checkpoint_scores_as_sentence_transformers_does(tmp_path: Path) -> None:
    """The same scores one by one and all together, whatever their lengths, damaged letters included."""
    from sentence_transformers import CrossEncoder
    from tiny_unified import cross_encoder

    cross_encoder(tmp_path / "tiny")
    model = load_reranker(str(tmp_path / "tiny"), Choices(device="cpu"))
    assert model is not None
    texts = ["a whale", "a rope " * 40, "", "the lamp at the harbour", "\ud800 odd", "漢字"] * 5
    found = model.scores("what is a whale?", texts)
    alone = [model.scores("what is a whale?", [text])[0] for text in texts]
    known = CrossEncoder(str(tmp_path / "tiny"), device="cpu").predict([("what is a whale?", "a whale")])

    assert found == pytest.approx(alone, abs=1e-4)
    assert found[0] == pytest.approx(float(known[0]), abs=1e-4)
    assert len(set(found[:4])) == 4
    assert model.scores("x", []) == []


@pytest.mark.models
def test_the_command_searches_with_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--rerank FOLDER`: hits come in the order of its scores, and `legs` tells them."""
    from tiny_unified import cross_encoder

    cross_encoder(tmp_path / "tiny")
    store = make(tmp_path, {f"t{n}": text("whale " + "rope lamp " * n) for n in range(6)})
    code = run(
        ["search", "whale", "--store", store.uri, "--legs", "bm25", "--rerank", str(tmp_path / "tiny"), "--json"]
    )
    hits = json.loads(capsys.readouterr().out)["hits"]
    scores = [hit["legs"]["rerank"]["score"] for hit in hits]

    assert (code, len(scores)) == (0, 6)
    assert scores == sorted(scores, reverse=True)


@pytest.mark.models
def test_a_model_that_is_no_reranker_is_refused(tmp_path: Path) -> None:
    """One with three labels, one that embeds, a folder without weights: each is said before anything loads."""
    from tiny_unified import cross_encoder, siglip

    cross_encoder(tmp_path / "three", labels=3)
    siglip(tmp_path / "embedder")
    cross_encoder(tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").unlink()
    bare = load_reranker(str(tmp_path / "bare"))

    for name in ("three", "embedder"):
        with pytest.raises(UsageError, match="is no reranker"):
            load_reranker(str(tmp_path / name))
    assert bare is not None
    with pytest.raises(UsageError, match="no weights"):
        bare.scores("a", ["b"])
