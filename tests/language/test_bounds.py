"""Small texts that ask for much, and large ones, end in the right diagnostic, soon."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import pytest

from netc.errors import NetError
from netc.language import read
from tests.language.bombs import BOMBS, MOST_CALLS

ROOT = Path(__file__).parent.parent.parent

Outcomes = Mapping[str, tuple[list[str] | None, int]]


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """What `tests.language.bombs` prints, in its own process: it bounds its memory."""
    command = [sys.executable, "-m", "tests.language.bombs"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return {name: (found, calls) for name, found, calls in map(json.loads, run.stdout.splitlines())}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str, outcomes: Outcomes) -> None:
    bomb = BOMBS[name]
    found, calls = outcomes[name]
    assert found == (None if bomb.code is None else [bomb.code, f"{bomb.path}:{bomb.at}"])
    assert calls < MOST_CALLS


@pytest.mark.parametrize("size", [8 << 20, 100 << 20])
def test_of_large_files_no_more_is_read_than_they_may_have(tmp_path: Path, size: int) -> None:
    path = tmp_path / "large.prototxt"
    with path.open("wb") as file:
        file.write(b"layer {\n")
        file.truncate(size + 1)
    tracemalloc.start()
    with pytest.raises(NetError) as raised:
        read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (diagnostic,) = raised.value.diagnostics
    assert (diagnostic.code.id, str(diagnostic.span)) == ("SYN022", f"{path}:1:1")
    assert most < 9 << 20  # no more than what a file may have and a byte
