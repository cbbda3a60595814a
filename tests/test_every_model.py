"""`docmill ingest sample_docs` and a search of every modality with a checkpoint of each architecture, by the command.

Run it by itself: python -m pytest -m "models and slow" tests/test_every_model.py
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import ROOT, docmill, summary

from cli.main import run as main
from pipeline.embed.catalog import TASKS, catalog

pytestmark = [pytest.mark.models, pytest.mark.slow, pytest.mark.timeout(900)]
QUESTION = "how much energy does the mill make in a year?"
OWN_CODE = ("jina-clip", "jina-v5")
NONCOMMERCIAL = (*OWN_CODE, "jina-v4", "metaclip2")
STANDS_FOR = {  # a model of the catalog -> the run's name of a checkpoint of its architecture
    "builtin": "builtin",
    "builtin-multilingual": "builtin-multilingual",
    "nomic-v1.5": "nomic",
    "jina-clip-v2": "jina-clip",
    "embeddinggemma-2": "embeddinggemma2",
    "qwen3-vl-embedding-2b": "qwen3vl",
    "jina-v4": "jina-v4",
    "jina-v5-omni-small": "jina-v5",
    "jina-v5-omni-nano": "jina-v5",
    "clip-vit-b-32": "clip",
    "clip-vit-l-14": "clip",
    "siglip-so400m": "siglip",
    "siglip2-base": "siglip2",
    "metaclip2-b-32": "metaclip2",
    "nomic-text-v1.5": "sentences",
    "bge-base-en-v1.5": "sentences",
    "multilingual-e5-base": "sentences",
    "embeddinggemma-300m": "sentences",
    "colpali-v1.3": "colpali",
    "colqwen2-v1.0": "colqwen2",
    "colmodernvbert": "colmodernvbert",
    "colsmol-256m": "colsmol-adapter",
    "colqwen2.5-v0.2": "colqwen2.5-adapter",
    "colqwen3.5-v3": "colqwen3.5",
    "neomme-260m": "neomme",
}
RUNS = {  # unified, text, pages
    "builtin": ("builtin", "", "builtin"),
    "builtin-multilingual": ("builtin-multilingual", "", "builtin"),
    "nomic": ("nomic", "", "neomme"),
    "jina-clip": ("jina-clip", "", "colsmol-adapter"),
    "embeddinggemma2": ("embeddinggemma2", "", "colqwen2.5-adapter"),
    "qwen3vl": ("qwen3vl", "", "colqwen3.5"),
    "jina-v4": ("jina-v4", "", "colsmol"),
    "jina-v5": ("jina-v5", "", "colqwen2.5"),
    "clip": ("clip", "builtin", "colpali"),
    "siglip": ("siglip", "builtin", "colqwen2"),
    "siglip2": ("siglip2", "sentences", "colmodernvbert"),
    "metaclip2": ("metaclip2", "builtin-multilingual", "builtin"),
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    import tiny_jina
    import tiny_late
    import tiny_projected
    import tiny_unified
    import tiny_vlm

    folder = tmp_path_factory.mktemp("checkpoints")
    sources = (tiny_unified, tiny_vlm, tiny_jina, tiny_late, tiny_projected)
    makers = {name: make for source in sources for name, make in source.MAKERS.items()}
    for name, make in makers.items():
        make(folder / name)
    return {name: folder / name for name in makers}


def settings_for(run: str, checkpoints: dict[str, Path]) -> dict[str, str]:
    from pipeline.embed.remote_code import code_of
    from pipeline.embed.spec import from_folder

    unified, text, pages = RUNS[run]
    chosen = {"UNIFIED": unified, "TEXT": text, "PAGES": pages}
    found = {key: str(checkpoints.get(name, name)) for key, name in chosen.items() if name}
    if unified in NONCOMMERCIAL:
        found["ACCEPT_NONCOMMERCIAL"] = "true"
    if unified in OWN_CODE:
        folder = checkpoints[unified]
        found["REMOTE_CODE"] = f"{from_folder(folder, 'unified').revision}:{code_of(folder)}"
    return {f"DOCMILL_{key}": value for key, value in found.items()}


def test_every_model_of_the_catalog_has_a_run(checkpoints: dict[str, Path]) -> None:
    """By its architecture: what the catalog names and a tiny checkpoint stands for."""
    used = {name for run in RUNS.values() for name in run if name}

    assert set(checkpoints) - used == {"cross-encoder"} & set(checkpoints)
    assert set(STANDS_FOR) == {name for task in TASKS for name in catalog(task)}
    assert set(STANDS_FOR.values()) <= used


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
    assert bool(status["accepted"]) == (RUNS[run][0] in NONCOMMERCIAL)
