"""A run that is killed at any moment, again and again, ends with the bits of one that never stopped."""

import random
import subprocess
import sys
import time
from pathlib import Path

from netc.solve import Solver
from tests.solve.common import bits
from tests.solve.test_solver import build

ROOT = Path(__file__).parent.parent.parent
SETTINGS = 'type: "Adam" snapshot: 1 test_interval: 4 max_iter: '
LENGTH = 120
PROGRAM = """
import sys
from pathlib import Path
from tests.solve.test_kill import last, start
solver = start(Path(sys.argv[1]))
if state := last(Path(sys.argv[1])):
    solver.restore(state)
print("running", flush=True)
solver.solve()
print("done", flush=True)
"""


def start(directory: Path) -> Solver:
    text = f"{SETTINGS}{LENGTH}"
    return build(text, base='base_lr: 0.01 lr_policy: "fixed" ', tests=1, snapshot_prefix=str(directory / "net"))[0]


def last(directory: Path) -> Path | None:
    """The newest state file; the newest whole one is always there under its own name."""
    states = directory.glob("*.solverstate")
    return max(states, key=lambda path: int(path.stem.rpartition("_")[2]), default=None)


def test_killed_and_resumed(tmp_path: Path) -> None:
    chance, kills, done = random.Random(7), 0, False
    while not done:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        if kills < 4:
            time.sleep(chance.uniform(0.01, 0.06))
            process.kill()
            kills += 1
        done = process.stdout.read() == "done\n"
        process.stdout.close()
        process.wait()
    (tmp_path / "whole").mkdir()
    resumed, whole = start(tmp_path), start(tmp_path / "whole")
    state = last(tmp_path)
    assert state is not None
    assert state.name == f"net_iter_{LENGTH}.solverstate"
    resumed.restore(state)
    whole.prefix = None
    whole.solve()
    assert bits(resumed.net) == bits(whole.net)
