"""The kernel cache: found again, never stale, and harmless when it cannot be used. Each test runs real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HELPER = "from netc.jit import kernel\n\n\n@kernel\ndef inner(x):\n    return x * {factor}\n"
MODULE = """
from netc.jit import kernel
from {helper} import inner


@kernel
def outer(x):
    return inner(x) + 1.0
"""
RUN = """
import sys
from netc import jit
compiled = []
jit.announce_compilation(lambda: compiled.append(1))
sys.path.insert(0, sys.argv[1])
import kernels_of_a_user as m
print(m.outer(2.0), bool(compiled), jit.cache_warning() is not None)
"""


def run(folder: Path, cache: Path, **environment: str) -> list[str]:
    env = {**os.environ, "NETC_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-B", "-c", RUN, str(folder)], env=env, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.split()


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "helper_of_a_user.py").write_text(HELPER.format(factor="10.0"))
    (tmp_path / "kernels_of_a_user.py").write_text(MODULE.format(helper="helper_of_a_user"))
    return tmp_path


def test_the_second_process_compiles_nothing(module: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert run(module, cache) == ["21.0", "True", "False"]
    assert run(module, cache) == ["21.0", "False", "False"]


def test_an_edited_helper_in_another_file_is_never_stale(module: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert run(module, cache)[0] == "21.0"
    (module / "helper_of_a_user.py").write_text(HELPER.format(factor="100.0"))
    assert run(module, cache)[0] == "201.0"


def test_a_corrupted_cache_is_compiled_again(module: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    run(module, cache)
    files = list(cache.rglob("*.kernel"))
    assert files
    for file in files:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    assert run(module, cache) == ["21.0", "True", "False"]
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    assert run(module, cache) == ["21.0", "True", "False"]
    assert run(module, cache) == ["21.0", "False", "False"]


def test_a_cache_directory_that_is_a_file_is_reported_and_worked_around(module: Path, tmp_path: Path) -> None:
    cache = tmp_path / "file"
    cache.write_text("not a directory")
    assert run(module, cache) == ["21.0", "True", "True"]


def test_two_processes_start_on_an_empty_cache_at_once(module: Path, tmp_path: Path) -> None:
    env = {**os.environ, "NETC_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-B", "-c", RUN, str(module)]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [p.communicate(timeout=120)[0].split()[0] for p in both] == ["21.0", "21.0"]


def test_importing_netc_does_not_import_numba() -> None:
    code = "import sys, netc, netc.api.planning; print('numba' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "False"
