"""Large runs cut into shards that workers take, on a Prefect server of their own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import docmill, summary
from mixed import check, write
from workers import Pool, pool

pytestmark = [pytest.mark.flow, pytest.mark.filterwarnings("ignore")]  # Prefect's own warnings


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with pool(tmp_path_factory.mktemp("pool")) as made:
        yield made


def texts(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        write(folder / f"{number:02}.txt", random.Random(number))


@pytest.mark.slow
def test_an_ingest_in_shards_is_what_one_run_makes(workers: Pool, tmp_path: Path) -> None:
    """Two shards by one worker: the same rows and books as of a run of one process, and a second time nothing to do."""
    folder, store, clean = tmp_path / "docs", tmp_path / "store", tmp_path / "clean"
    texts(folder, 6)
    (folder / "broken.pdf").write_text("%PDF-1.7 nothing more")
    environment = {"PREFECT_API_URL": workers.url, "DOCMILL_WORKERS": "1"}
    workers.start("one")
    shared = summary(docmill("ingest", str(folder), "--shards", "2", "--store", str(store), "--json", **environment))
    workers.stop("one")
    single = summary(docmill("ingest", str(folder), "--store", str(clean), "--json", **environment))

    assert (shared["discovered"], shared["indexed"], shared["quarantined"]) == (7, 6, 1)
    assert shared["rows"] == single["rows"]
    assert [run["state_type"] for run in workers.runs()][-2:] == ["COMPLETED", "COMPLETED"]
    check(store, clean)


def test_a_server_without_shards_is_said(tmp_path: Path, server: str) -> None:
    """One line, exit code 2, and no work lists left behind."""
    folder = tmp_path / "docs"
    texts(folder, 2)
    common = ("--store", str(tmp_path / "store"), "--shards", "2")
    done = docmill("ingest", str(folder), *common, PREFECT_API_URL=server)

    assert done.returncode == 2
    assert "no deployment shard/shard: start `docmill serve`, or run without --shards" in done.stderr
