"""The fast executor where things are not as they should be: caches that cannot be used, forks."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from tests.run.processes import FEED, process

FORK = (
    FEED
    + """
import os
net = make(LENET, threads=2)[1]
first = run(net)
child = os.fork()
if child == 0:
    net.iteration = 0
    again = run(net)
    os._exit(0 if all(np.array_equal(first[k], again[k]) for k in first) else 1)
_, status = os.waitpid(child, 0)
print('same' if os.waitstatus_to_exitcode(status) == 0 else 'differs')
"""
)
SMALL = FEED + "from tests.run.test_fast import data, loss\ncompare(data(2, 3, 5, 5) + loss('data'))"
WARNING = "\nfrom netc import jit\nprint(jit.cache_warning().code.id if jit.cache_warning() else 'kept')\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_after_first_use() -> None:
    assert process(FORK) == ["same"]


def test_a_cache_that_cannot_be_made() -> None:
    assert process(SMALL + WARNING, NETC_CACHE_DIR="/dev/null/cache") == ["RUN001"]


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """No file may grow: kernels are compiled, used, and not kept; nothing half-written is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, {hard}))\n"
    assert soft != 0
    assert process(limit + SMALL + WARNING, NETC_CACHE_DIR=str(tmp_path)) == ["RUN001"]
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_cache_that_was_damaged(tmp_path: Path) -> None:
    assert process(SMALL + WARNING, NETC_CACHE_DIR=str(tmp_path)) == ["kept"]
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert files
    for i, file in enumerate(files):
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2] if i % 2 else b"\0" * len(content))
    assert process(SMALL + WARNING, NETC_CACHE_DIR=str(tmp_path)) == ["kept"]
