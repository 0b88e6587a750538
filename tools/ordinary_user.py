"""As root: run tests as a user to whom folders can be closed, from a copy of the project that this user owns.

    python -m tools.ordinary_user [pytest's arguments]

The clone, its environment and Python itself may lie where such a user cannot read (`/root`): what is needed is copied
into a temporary folder. For any other user than root there is nothing to do: the suite itself runs as one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
USER = 65534  # nobody
TESTS = (
    "tests/test_files.py", "tests/test_files_writing.py", "tests/test_kernel_files.py", "tests/jit/test_cache.py",
    "tests/run/test_faults.py", "tests/solve/test_disk.py", "tests/solve/test_snapshot_files.py",
    "tests/language/test_import_bounds.py",
)  # fmt: skip
LEFT = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "dist", "build")
AS_USER: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": []}


def main(arguments: Sequence[str]) -> int:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        print("not root: the suite runs as an ordinary user anyway")
        return 0
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        code = shutil.copytree(ROOT, home / "netc", ignore=LEFT)
        python, environment = _python(home, code)
        for path in (home, code, *code.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)
        command = [python, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *(arguments or TESTS)]
        return subprocess.run(command, cwd=code, env=environment, check=False, **AS_USER).returncode


def _python(home: Path, code: Path) -> tuple[str, dict[str, str]]:
    """A Python with the project's packages that the user may run, and its environment."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    environment = {**kept, "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(code)}
    home.chmod(0o755)
    if _runs(sys.executable, environment, "numba, pytest, xdist"):
        return sys.executable, environment
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix)
    if not _runs(str(base / "bin" / version), environment, "venv"):
        base = shutil.copytree(base, home / "python", symlinks=True, ignore=shutil.ignore_patterns("test"))
    subprocess.run([base / "bin" / version, "-m", "venv", "--without-pip", home / "venv"], check=True)
    for place in map(Path, reversed(sys.path)):
        if place.name in ("site-packages", "dist-packages"):
            target = home / "venv" / "lib" / version / "site-packages"
            shutil.copytree(place, target, symlinks=True, dirs_exist_ok=True)
    python = str(home / "venv" / "bin" / "python")
    if not _runs(python, environment, "numba, pytest, xdist"):
        raise SystemExit(f"no Python for user {USER}: {sys.executable} cannot be read, and its copy does not run")
    return python, environment


def _runs(python: str, environment: Mapping[str, str], modules: str) -> bool:
    command = [python, "-c", f"import {modules}"]
    try:
        done = subprocess.run(command, cwd="/", env=environment, capture_output=True, check=False, **AS_USER)
    except OSError:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
