"""Names of commands, right and wrong, and the command as a module."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run, environment


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("sumary", "No such command 'sumary'. Did you mean 'summary'?"),
        ("Train", "No such command 'Train'. Did you mean 'train'?"),
        ("xyzzy", "No such command 'xyzzy'. `netc --help` lists them."),
    ],
)
def test_a_command_that_is_not_there(run: Run, given: str, said: str) -> None:
    done = run(given, "a.net")
    assert done.code == 2
    assert said in done.err


def test_as_a_module(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "netc", "--version"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("netc, version ")
