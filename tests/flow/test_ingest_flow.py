"""The ingest flow against a real Prefect server: what a run does, and what an operator sees of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings


def run(folder: Path, store: Path, **request: object) -> object:
    from flows.ingest import IngestRequest, ingest

    overrides = {"store": str(store), "workers": 1, "batch_documents": 2}
    return ingest(IngestRequest(sources=[str(folder)], cwd=str(folder.parent), overrides=overrides, **request))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tide-papers"
    folder.mkdir()
    for name, text in {
        "a.txt": "the tide turns the wheel",
        "b.md": "# Sluice\n\nThe gate leaks.",
        "c.txt": "mill",
    }.items():
        (folder / name).write_text(text)
    (folder / "broken.pdf").write_text("%PDF-1.7 nothing more")
    return folder


def test_a_flow_run_ingests_and_a_second_one_finds_nothing_to_do(folder: Path, tmp_path: Path) -> None:
    """Three documents are indexed in two batches, one is quarantined; the second run leaves the table as it is."""
    first = run(folder, tmp_path / "store")
    second = run(folder, tmp_path / "store")

    assert (first.discovered, first.indexed, first.quarantined) == (4, 3, 1)
    assert (second.unchanged, second.quarantined, second.table_version) == (3, 1, first.table_version)


def test_an_operator_can_read_the_run(folder: Path, tmp_path: Path) -> None:
    """Run, tasks and final state have names for people; summary and quarantine are artifacts of the run."""
    from prefect.client.orchestration import get_client

    summary = run(folder, tmp_path / "store")

    async def look() -> tuple[tuple[str, str], set[str], dict[str, str]]:
        async with get_client() as client:
            flow_run = await client.read_flow_run(summary.run_id)
            tasks = await client.read_task_runs()
            artifacts = await client.read_artifacts()
        mine = [artifact for artifact in artifacts if str(artifact.flow_run_id) == summary.run_id]
        names = {task.name for task in tasks if str(task.flow_run_id) == summary.run_id}
        return (flow_run.name, flow_run.state.name), names, {artifact.key: str(artifact.data) for artifact in mine}

    (name, state), tasks, artifacts = asyncio.run(look())

    assert name.startswith("ingest tide-papers 2")
    assert name.endswith(" (4 files)")
    assert state == "CompletedWithQuarantine"
    assert {"discover and plan", "prepare batch 1 of 2 (2 documents)", "write batch 2 of 2 (2 documents)"} <= tasks
    assert "4 discovered = 3 indexed + 0 unchanged + 0 skipped + 1 quarantined" in artifacts["ingest-summary"]
    assert "broken.pdf" in artifacts["ingest-failures"]
    assert f"docmill quarantine retry --now --store {tmp_path / 'store'} --fingerprint" in artifacts["quarantine"]


def test_a_failed_run_is_a_failed_flow_run(folder: Path, tmp_path: Path) -> None:
    """What stops a run stops the flow run as well, with the reason."""
    from pipeline.errors import NotAStore

    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "photo.jpg").write_text("not ours")
    with pytest.raises(NotAStore, match="no docmill tables"):
        run(folder, tmp_path / "store")


def test_a_run_of_a_manifest_does_what_was_planned(folder: Path, tmp_path: Path) -> None:
    """What changed since the plan is refused, what came since is left alone; the run is named after its manifest."""
    from prefect.client.orchestration import get_client

    from cli.main import run as docmill

    manifest = tmp_path / "monday.jsonl"
    docmill(["plan", str(folder), "--store", str(tmp_path / "store"), "--workers", "1", "--out", str(manifest)])
    (folder / "a.txt").write_text("another tide")
    (folder / "later.txt").write_text("later")
    summary = run(folder, tmp_path / "store", manifest=str(manifest))
    with get_client(sync_client=True) as client:
        name = client.read_flow_run(summary.run_id).name

    assert (summary.discovered, summary.indexed, summary.quarantined) == (4, 2, 2)
    assert any("changed since the plan was made" in record.message for record in summary.failures)
    assert name.startswith("ingest monday.jsonl 2")
