"""What reports are made of: grouping, sampling, pictures, and the canary's verdict on a run."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import CanaryDrop
from pipeline.store import doc_id, open_store
from pipeline.types import DocumentRecord

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings


def test_quarantine_is_grouped_and_each_group_has_its_command() -> None:
    """The most frequent kind of failure first; the command names store, settings file and fingerprint."""
    from flows.quarantine_report import group, retry_command

    records = [DocumentRecord(f"file:///{n}", str(n), "quarantined", fingerprint="abc"[n % 3 % 2]) for n in range(6)]
    groups = group(records)

    assert [(one.first.fingerprint, one.count) for one in groups] == [("a", 4), ("b", 2)]
    assert retry_command(groups[0].first, "s3://b/db", "my file.toml") == (
        "docmill quarantine retry --now --store s3://b/db --config 'my file.toml' --fingerprint a"
    )


def test_a_sample_of_pages_shows_every_reason() -> None:
    """Before it shows one twice."""
    from flows.route_report import sample

    rows = [
        {"source_uri": f"file:///{n:02}", "page": 1, "route_reason": "scan" if n < 30 else "table"} for n in range(40)
    ]
    chosen = sample(rows)

    assert [row["route_reason"] for row in chosen[:2]] == ["scan", "table"]
    assert len(chosen) == 6


def test_a_page_is_a_small_picture_in_the_text_itself() -> None:
    """So that the UI needs no other server for it."""
    from flows.route_report import small

    target = io.BytesIO()
    Image.effect_noise((1200, 900), 60).save(target, "PNG")
    uri = small(target.getvalue())
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        size = picture.size

    assert uri.startswith("data:image/jpeg;base64,")
    assert size == (240, 180)


def test_a_drop_fails_the_run_and_holds_the_tag(tmp_path: Path) -> None:
    """An ingest with the gate sets the tag `good`; when rows are lost, a run of the canary fails."""
    from prefect.client.orchestration import get_client

    from flows.canary import CanaryRequest, canary
    from flows.ingest import IngestRequest, ingest

    (tmp_path / "docs").mkdir()
    for number, word in enumerate(("mill", "tide", "boat", "stone")):
        text = f"The {word} of the old harbour was mended in the spring of the year after the great flood. "
        (tmp_path / "docs" / f"{number}.txt").write_text(text)
    overrides = {"store": "store", "workers": 1, "canary.gate": True, "canary.drop": 0.2}
    ingest(IngestRequest(sources=["docs"], cwd=str(tmp_path), overrides=overrides))
    store = open_store(str(tmp_path / "store"))
    good = store.tagged("good")
    store.replace(None, [doc_id((tmp_path / "docs" / "0.txt").as_uri())])
    with pytest.raises(CanaryDrop, match=r"recall@10 fell from 1\.000 to 0\.750 on 4 questions"):
        canary(CanaryRequest(cwd=str(tmp_path), overrides=overrides))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs()
        states = {
            run.name.split()[0]: run.state.name for run in runs if run.parameters["request"]["cwd"] == str(tmp_path)
        }

    assert states == {"ingest": "Completed", "canary": "Failed"}
    assert store.tagged("good") == good < store.version()
