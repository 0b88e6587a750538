"""Python code in a process of its own: which instructions there are, and where kernels are kept, is settled once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FEED = """
import numpy as np
from netc.run.fast import Fast
from tests.run.test_fast import CAFFENET, INCEPTION, LENET, compare, make, residual, run
"""
"""What most of it begins with: nets to run on both executors."""


def process(code: str, **changed: str) -> list[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **changed}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
