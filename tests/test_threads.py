"""NumPy's threads in docmill's own processes."""

from __future__ import annotations

import json
import os
import sys
from subprocess import check_output

import pytest

THREADS = """
import json, {module}
import numpy, threadpoolctl
print(json.dumps([pool["num_threads"] for pool in threadpoolctl.threadpool_info() if "numpy" in pool["filepath"]]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere NumPy may come with another library for products")
@pytest.mark.parametrize("module", ["cli.main", "flows.ingest"])
@pytest.mark.parametrize("set_by_user", [None, 2])
def test_numpy_has_one_thread(module: str, set_by_user: int | None) -> None:
    """Nothing imports NumPy before it is told so; who sets another number has it."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    if set_by_user:
        environment["OPENBLAS_NUM_THREADS"] = str(set_by_user)
    found = check_output([sys.executable, "-c", THREADS.format(module=module)], env=environment, text=True)

    assert json.loads(found) == [min(set_by_user or 1, os.cpu_count() or 1)]
