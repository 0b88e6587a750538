"""Rows and lanes that are not there are not looked for: what would be theirs may be on no page."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_blocks_at_the_edge_of_memory(tmp_path: Path) -> None:
    own = {**os.environ, "NETC_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.fast.nowhere"]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
