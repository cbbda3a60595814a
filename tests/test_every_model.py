"""`docmill ingest sample_docs` and a search of every modality with a checkpoint of each architecture, by the command.

Run it by itself: python -m pytest -m "models and slow" tests/test_every_model.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import ROOT, docmill, summary

from cli.main import run as main

pytestmark = [pytest.mark.models, pytest.mark.slow, pytest.mark.timeout(900)]
QUESTION = "how much energy does the mill make in a year?"
RUNS = {  # unified, text, pages
    "builtin": ("builtin", "", "builtin"),
    "builtin-multilingual": ("builtin-multilingual", "", "builtin"),
    "nomic": ("nomic", "", "builtin"),
    "jina-clip": ("jina-clip", "", "builtin"),
    "clip": ("clip", "builtin", "colpali"),
    "siglip": ("siglip", "builtin", "colqwen2"),
    "siglip2": ("siglip2", "sentences", "colmodernvbert"),
    "metaclip2": ("metaclip2", "builtin-multilingual", "builtin"),
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    import tiny_late
    import tiny_unified

    folder = tmp_path_factory.mktemp("checkpoints")
    makers = {**tiny_unified.MAKERS, **tiny_late.MAKERS}
    for name, make in makers.items():
        make(folder / name)
    return {name: folder / name for name in makers}


def settings_for(run: str, checkpoints: dict[str, Path]) -> dict[str, str]:
    from pipeline.embed.remote_code import code_of
    from pipeline.embed.spec import from_folder

    unified, text, pages = RUNS[run]
    chosen = {"UNIFIED": unified, "TEXT": text, "PAGES": pages}
    found = {key: str(checkpoints.get(name, name)) for key, name in chosen.items() if name}
    if unified in ("jina-clip", "metaclip2"):
        found["ACCEPT_NONCOMMERCIAL"] = "true"
    if unified == "jina-clip":
        folder = checkpoints[unified]
        found["REMOTE_CODE"] = f"{from_folder(folder, 'unified').revision}:{code_of(folder)}"
    return {f"DOCMILL_{key}": value for key, value in found.items()}


@pytest.mark.parametrize("run", list(RUNS))
def test_a_corpus_is_ingested_and_searched_with_it(
    run: str,
    checkpoints: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Passages, pictures and pages get rows and are found, each by the leg of its model; the store says with what."""
    chosen, store = settings_for(run, checkpoints), str(tmp_path / "store")
    done = docmill("ingest", str(ROOT / "sample_docs"), "--store", store, "--json", timeout_s=800, **chosen)
    report = summary(done)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    legs = {}
    for modality, leg in (("text", "text"), ("image", "image"), ("page", "page"), ("page", "maxsim")):
        options = ("--modality", modality, "--legs", leg, "--store", store, "--json")
        code = main(["search", QUESTION, *options])
        legs[leg] = {hit["modality"] for hit in json.loads(capsys.readouterr().out)["hits"]}
        assert code == 0
    main(["status", "--store", store, "--json"])
    status = json.loads(capsys.readouterr().out)

    assert report["indexed"] == 15
    assert min(report["rows"].values()) > 0
    assert legs == {"text": {"text"}, "image": {"image"}, "page": {"page"}, "maxsim": {"page"}}
    assert ("pictures" in status["models"]) == bool(RUNS[run][1])
    assert bool(status["accepted"]) == (run in ("jina-clip", "metaclip2"))
